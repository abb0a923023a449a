// kernels/compact.cu on the host.
#include "kernel_shim.h"
#include "compact.cu"

KERNEL(compact_pick)
KERNEL(compact_rank)
