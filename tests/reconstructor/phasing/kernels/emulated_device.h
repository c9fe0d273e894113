// A CUDA device played by one thread of a processor, so that the kernels' own source can be compiled and compared.
//
// The threads of a block are coroutines with a stack each; __syncthreads() hands over to the next one. They can be
// run in either order: what depends on it is a race. A barrier that only some threads reach is told, as are a wrong
// number and a wrong size of arguments. Blocks come one after another.

#include <csetjmp>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <algorithm>
#include <utility>
#include <ucontext.h>

#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(threads)

using std::max;
using std::min;

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct uchar2 { unsigned char x, y; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

constexpr std::size_t STACK = 1 << 16;
enum Outcome { DONE = 0, UNKNOWN_KERNEL = 1, WRONG_COUNT = 2, WRONG_SIZE = 3, DIVERGED = 4 };

static void (*body)(void*);
static void* argument;
static jmp_buf conductor, waiting[BLOCK];
static ucontext_t main_context, contexts[BLOCK];
alignas(64) static char stacks[BLOCK][STACK];
static bool begun[BLOCK], over[BLOCK];
static unsigned now;

static void hand_over()
{
    if (!_setjmp(waiting[now])) _longjmp(conductor, 1);
}

static void coroutine()
{
    for (;;) {
        body(argument);
        over[now] = true;
        hand_over();
    }
}

static void resume(unsigned thread)
{
    now = thread;
    threadIdx = {thread, 0, 0};
    if (_setjmp(conductor)) return;
    if (begun[thread]) _longjmp(waiting[thread], 1);
    begun[thread] = true;
    getcontext(&contexts[thread]);
    contexts[thread].uc_stack.ss_sp = stacks[thread];
    contexts[thread].uc_stack.ss_size = STACK;
    contexts[thread].uc_link = nullptr;
    makecontext(&contexts[thread], coroutine, 0);
    swapcontext(&main_context, &contexts[thread]);
}

// All threads of one block, from barrier to barrier; false if some are over where others wait.
static bool block(bool backwards)
{
    const unsigned threads = blockDim.x;
    std::fill(over, over + threads, false);
    for (unsigned finished = 0; finished < threads;) {
        for (unsigned k = 0; k < threads; ++k) resume(backwards ? threads - 1 - k : k);
        finished = std::count(over, over + threads, true);
        if (finished != 0 && finished != threads) return false;
    }
    return true;
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>)
{
    kernel(*static_cast<A*>(arguments[I])...);
}

template <class... A>
static Outcome launch(void (*kernel)(A...), unsigned gx, unsigned gy, unsigned threads, void** arguments,
                      const std::size_t* sizes, std::size_t count, bool backwards)
{
    const std::size_t wanted[] = {sizeof(A)...};
    if (count != sizeof...(A)) return WRONG_COUNT;
    if (std::memcmp(wanted, sizes, sizeof wanted)) return WRONG_SIZE;
    static struct Work { void (*kernel)(A...); void** arguments; } work;
    work = {kernel, arguments};
    body = [](void* of) {
        const Work* what = static_cast<Work*>(of);
        call(what->kernel, what->arguments, std::index_sequence_for<A...>{});
    };
    argument = &work;
    gridDim = {gx, gy, 1};
    blockDim = {threads, 1, 1};
    for (unsigned y = 0; y < gy; ++y) {
        for (unsigned x = 0; x < gx; ++x) {
            blockIdx = {backwards ? gx - 1 - x : x, y, 0};
            if (!block(backwards)) return DIVERGED;
        }
    }
    return DONE;
}

}  // namespace emulated

static inline void __syncthreads() { emulated::hand_over(); }

// The source comes after this, then EMULATED_LAUNCH with the names of its kernels.
#define EMULATED_TRY(kernel)                                                                                      \
    if (!std::strcmp(name, #kernel))                                                                              \
        return emulated::launch(kernel, gx, gy, threads, arguments, sizes, count, backwards);
#define EMULATED_LAUNCH(KERNELS)                                                                                  \
    extern "C" int launch(const char* name, unsigned gx, unsigned gy, unsigned threads, void** arguments,         \
                          const std::size_t* sizes, std::size_t count, int backwards)                             \
    {                                                                                                             \
        KERNELS(EMULATED_TRY)                                                                                     \
        return emulated::UNKNOWN_KERNEL;                                                                          \
    }
