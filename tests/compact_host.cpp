// kernels/compact.cu on the host, its threads in any order.
#define WITH_BARRIERS
#include "kernel_shim.h"
#include "compact.cu"

KERNEL(compact_pick)
KERNEL(compact_rank)
