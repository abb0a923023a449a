// kernels/letterbox.cu on the host, as libcuda_stub.c calls it: run_NAME(grid, block, arguments), sizes_NAME.
#include "kernel_shim.h"
#include "letterbox.cu"

typedef unsigned long long Bytes;

extern "C" {
extern const int sizes_letterbox_float32[] = {8, 8, 4, 8, 4, 4, sizeof(Placed), sizeof(Input), 0};
extern const int sizes_letterbox_float16[] = {8, 8, 4, 8, 4, 4, sizeof(Placed), sizeof(Input), 0};

#define RUN(NAME, NUMBER)                                                                                             \
    void run_##NAME(const unsigned* grid, const unsigned* block, void** given) {                                      \
        over(grid, block, [given] {                                                                                   \
            NAME(argument<const unsigned char*>(given, 0), argument<Bytes>(given, 1), argument<int>(given, 2),        \
                 argument<NUMBER*>(given, 3), argument<int>(given, 4), argument<int>(given, 5),                       \
                 argument<Placed>(given, 6), argument<Input>(given, 7));                                              \
        });                                                                                                           \
    }
RUN(letterbox_float32, float)
RUN(letterbox_float16, unsigned short)
}
