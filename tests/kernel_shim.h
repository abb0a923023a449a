// What a host compiler lacks to run a .cu file. KERNEL(name) makes what libcuda_stub.c calls: run_name(grid, block,
// arguments), and sizes_name, the sizes of its arguments: negative for pointers, 0 at the end.
#include <ucontext.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define MINEHAT_ON_HOST

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim;

// float -> IEEE half, to nearest even; for what fits into one.
[[maybe_unused]] static unsigned short half_bits(float value) {
    _Float16 half = (_Float16)value;
    unsigned short bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}
[[maybe_unused]] static unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
[[maybe_unused]] static int atomicAdd(int* place, int more) { return std::exchange(*place, *place + more); }
[[maybe_unused]] static int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
[[maybe_unused]] static double __dadd_rn(double a, double b) { return a + b; }
[[maybe_unused]] static double __dsub_rn(double a, double b) { return a - b; }
[[maybe_unused]] static double __dmul_rn(double a, double b) { return a * b; }
[[maybe_unused]] static double __ddiv_rn(double a, double b) { return a / b; }

// A block's threads as fibers, each run to its next barrier, in an order that is another one each time.
struct Fiber { ucontext_t here; std::vector<char> stack; bool ended, waiting; };
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static size_t running;
static std::function<void()> body;

[[maybe_unused]] static void __syncthreads() {
    fibers[running].waiting = true;
    swapcontext(&fibers[running].here, &scheduler);
}
static void fiber_main() {
    body();
    fibers[running].ended = true;
}

template <typename Work>
static void block_of_fibers(size_t count, Work work) {
    static size_t turn;
    if (fibers.size() < count) fibers.resize(count);
    body = work;
    for (size_t i = 0; i < count; ++i) {
        Fiber& fiber = fibers[i];
        fiber.stack.resize(1 << 16);
        getcontext(&fiber.here);
        fiber.here.uc_stack.ss_sp = fiber.stack.data(), fiber.here.uc_stack.ss_size = fiber.stack.size();
        fiber.here.uc_link = &scheduler, fiber.ended = false;
        makecontext(&fiber.here, fiber_main, 0);
    }
    for (size_t ended = 0; ended < count;) {
        size_t waiting = 0;
        ++turn;
        for (size_t i = 0; i < count; ++i) {
            running = turn % 2 ? (i + turn) % count : count - 1 - (i + turn) % count;
            fibers[running].waiting = false;
            threadIdx = {(unsigned)running % blockDim.x, (unsigned)running / blockDim.x % blockDim.y, 0};
            swapcontext(&scheduler, &fibers[running].here);
            ended += fibers[running].ended, waiting += fibers[running].waiting;
        }
        if (ended && waiting) { fprintf(stderr, "a barrier that not all of a block's threads come to\n"); abort(); }
    }
}

template <typename... Types, size_t... Rows>
static void run(void (*kernel)(Types...), void** given, std::index_sequence<Rows...>) {
    kernel(*static_cast<std::remove_const_t<Types>*>(given[Rows])...);
}

template <typename... Types>
static void over(void (*kernel)(Types...), const unsigned* grid, const unsigned* block, void** given) {
    auto work = [&] { run(kernel, given, std::index_sequence_for<Types...>()); };
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x) {
#ifdef WITH_BARRIERS
                block_of_fibers((size_t)block[0] * block[1], work);
#else
                for (threadIdx.y = 0; threadIdx.y < block[1]; ++threadIdx.y)
                    for (threadIdx.x = 0; threadIdx.x < block[0]; ++threadIdx.x) work();
#endif
            }
}

template <typename... Types>
static constexpr std::array<int, sizeof...(Types) + 1> sizes_of(void (*)(Types...)) {
    return {(std::is_pointer_v<Types> ? -(int)sizeof(Types) : (int)sizeof(Types))..., 0};
}

#define KERNEL(NAME)                                                                     \
    extern "C" {                                                                         \
    auto sizes_##NAME = sizes_of(NAME);                                                  \
    void run_##NAME(const unsigned* grid, const unsigned* block, void** given) {         \
        over(NAME, grid, block, given);                                                  \
    }                                                                                    \
    }
