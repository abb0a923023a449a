// kernels/suppress.cu on the host.
#define WITH_BARRIERS
#include "kernel_shim.h"
#include "suppress.cu"

KERNEL(suppress_mask)
KERNEL(suppress_sweep)
