// kernels/letterbox.cu on the host.
#include "kernel_shim.h"
#include "letterbox.cu"

KERNEL(letterbox_float32)
KERNEL(letterbox_float16)
KERNEL(letterbox_uint8)
KERNEL(letterbox_nv12_float32)
KERNEL(letterbox_nv12_float16)
KERNEL(letterbox_nv12_uint8)
