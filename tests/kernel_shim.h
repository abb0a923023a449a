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

// A block's threads, one after the other, in an order that is another one each time.
static size_t turn;
static void be_thread(size_t i) { threadIdx = {(unsigned)i % blockDim.x, (unsigned)i / blockDim.x % blockDim.y, 0}; }
static size_t shuffled(size_t i, size_t count) { return turn % 2 ? (i + turn) % count : count - 1 - (i + turn) % count; }

#ifdef WITH_BARRIERS
// The same where they meet at barriers: as fibers, each run to its next one.
struct Fiber { ucontext_t here; std::vector<char> stack; bool ended, waiting; };
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static size_t running;
static std::function<void()> body;

static void check(bool held) {
    if (!held) { fprintf(stderr, "a barrier that not all of a block's threads come to\n"); abort(); }
}
[[maybe_unused]] static void __syncthreads() {
    check(running < fibers.size());
    fibers[running].waiting = true;
    swapcontext(&fibers[running].here, &scheduler);
}
static void fiber_main() {
    body();
    fibers[running].ended = true;
}
static void begin(Fiber& fiber) {
    fiber.stack.resize(1 << 16);
    getcontext(&fiber.here);
    fiber.here.uc_stack.ss_sp = fiber.stack.data(), fiber.here.uc_stack.ss_size = fiber.stack.size();
    fiber.here.uc_link = &scheduler, fiber.ended = false;
    makecontext(&fiber.here, fiber_main, 0);
}
static void go_on(size_t i) {
    running = i;
    fibers[i].waiting = false;
    be_thread(i);
    swapcontext(&scheduler, &fibers[i].here);
}

template <typename Work>
static void block_of_fibers(size_t count, Work work) {
    if (fibers.size() < count) fibers.resize(count);
    body = work;
    const size_t first = shuffled(0, count);
    begin(fibers[first]);
    go_on(first);
    if (fibers[first].ended) {  // no barriers on this way: the others need no fibers
        running = SIZE_MAX;
        for (size_t i = 1; i < count; ++i) be_thread(shuffled(i, count)), work();
        return;
    }
    for (size_t i = 0; i < count; ++i)
        if (i != first) begin(fibers[i]), go_on(i);
    for (size_t ended = 0; ended < count;) {
        size_t waiting = 0;
        for (size_t i = 0; i < count; ++i) check(fibers[i].waiting);
        ++turn;
        for (size_t i = 0; i < count; ++i) {
            go_on(shuffled(i, count));
            ended += fibers[running].ended, waiting += fibers[running].waiting;
        }
        check(!ended || !waiting);
    }
}
#endif

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
                const size_t threads = (size_t)block[0] * block[1];
#ifdef WITH_BARRIERS
                block_of_fibers(threads, work);
#else
                ++turn;
                for (size_t i = 0; i < threads; ++i) be_thread(shuffled(i, threads)), work();
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
