// What a host compiler lacks to run a .cu file: thread by thread, in one loop over the grid.
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define MINEHAT_ON_HOST

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim;

// float -> IEEE half, to nearest even; for what fits into one.
static unsigned short half_bits(float value) {
    _Float16 half = (_Float16)value;
    unsigned short bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

template <typename Work>
static void over(const unsigned* grid, const unsigned* block, Work work) {
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x)
                for (threadIdx.y = 0; threadIdx.y < block[1]; ++threadIdx.y)
                    for (threadIdx.x = 0; threadIdx.x < block[0]; ++threadIdx.x) work();
}

template <typename Type> static Type& argument(void** arguments, int i) { return *static_cast<Type*>(arguments[i]); }
