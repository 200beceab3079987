/* emulate: blocks as fibers; see emulate.h. */
#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

dim3 threadIdx, blockIdx, blockDim, gridDim;
void (*bai_emulate_later)(void *stream, const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, const void *ctx, size_t bytes);

enum { MOST = 1024, STACK = 64 << 10, LANES = 32, WORDS = 8 };
enum { READY, AT_BARRIER, AT_EXCHANGE, DONE };

typedef struct fiber { ucontext_t context; dim3 place; int state; uint32_t mask; unsigned turn; } fiber;

static struct {
    fiber *fibers;
    char *stacks, *shared;
    size_t shared_size;
    ucontext_t scheduler;
    int n, now;
    bai_emulate_fn fn;
    void *ctx;
    uint32_t put[MOST / LANES][2][WORDS][LANES], launches;
} emu;

static void broken(const char *what)
{
    fprintf(stderr, "emulator: %s (block %u,%u,%u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z);
    abort(); /* a kernel that would hang or be undefined on a device: a programming error, found by a test */
}

#if defined(__x86_64__)
/* The switch proper: callee-saved registers and the stack. swapcontext would ask the kernel for the signal mask each time. */
extern "C" void bai_emulate_switch(void **save, void *load);
__asm__(".text\n.globl bai_emulate_switch\n.hidden bai_emulate_switch\n.type bai_emulate_switch,@function\nbai_emulate_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\nmov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n.size bai_emulate_switch,.-bai_emulate_switch\n");
static void *stack_of[MOST], *scheduler_stack;
static void begin(void);
static void enter(int i) /* a new stack that "returns" into begin */
{
    void **top = (void **)(emu.stacks + (size_t)(i + 1) * STACK - 64);
    *--top = NULL; /* begin never returns; keeps the stack aligned as after a call */
    *--top = (void *)begin;
    for (int k = 0; k < 6; k++)
        *--top = NULL;
    stack_of[i] = top;
}
static void resume(int i) { bai_emulate_switch(&scheduler_stack, stack_of[i]); }
static void yield(void) { bai_emulate_switch(&stack_of[emu.now], scheduler_stack); }
#else
static void begin(void);
static void enter(int i)
{
    fiber *f = &emu.fibers[i];
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = emu.stacks + (size_t)i * STACK;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, begin, 0);
}
static void resume(int i) { swapcontext(&emu.scheduler, &emu.fibers[i].context); }
static void yield(void) { swapcontext(&emu.fibers[emu.now].context, &emu.scheduler); }
#endif

static void begin(void)
{
    emu.fn(emu.ctx);
    emu.fibers[emu.now].state = DONE;
    yield();
    broken("a finished thread was resumed");
}

static void wait_as(int state)
{
    emu.fibers[emu.now].state = state;
    yield();
}

extern "C" void bai_emulate_barrier(void) { wait_as(AT_BARRIER); }
extern "C" void *bai_emulate_shared(void) { return emu.shared; }

/* Words of odd and even exchanges lie apart: nobody can be two exchanges ahead of a lane that has not read yet. */
extern "C" const uint32_t *bai_emulate_exchange(uint32_t mask, const uint32_t *words, int n)
{
    fiber *f = &emu.fibers[emu.now];
    unsigned half = f->turn++ & 1;
    uint32_t (*put)[LANES] = emu.put[emu.now / LANES][half];
    for (int i = 0; i < n; i++)
        put[i][emu.now % LANES] = words[i];
    f->mask = mask;
    wait_as(AT_EXCHANGE);
    return put[0];
}

extern "C" void bai_emulate_mma(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    uint32_t words[6] = { a[0], a[1], a[2], a[3], b[0], b[1] };
    const uint32_t (*all)[LANES] = (const uint32_t (*)[LANES])bai_emulate_exchange(0xffffffffu, words, 6);
    int lane = emu.now % LANES;
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;
        float s = d[i];
        for (int k = 0; k < 16; k++) {
            uint32_t wa = all[row / 8 + k / 8 * 2][row % 8 * 4 + k % 8 / 2] >> 16 * (k % 2) << 16;
            uint32_t wb = all[4 + k / 8][col * 4 + k % 8 / 2] >> 16 * (k % 2) << 16;
            float x, y;
            memcpy(&x, &wa, 4);
            memcpy(&y, &wb, 4);
            s += x * y;
        }
        d[i] = s;
    }
}

/* As PTX describes ldmatrix.m8n8.x4: lane 8 i + r points at row r of matrix i; lane 4 g + t gets numbers 2 t and 2 t + 1 of row g, or turned of column g. */
extern "C" void bai_emulate_matrices(uint32_t r[4], const void *row, int turned)
{
    const uint64_t at = (uint64_t)(uintptr_t)row;
    const uint32_t words[2] = { (uint32_t)at, (uint32_t)(at >> 32) };
    const uint32_t (*all)[LANES] = (const uint32_t (*)[LANES])bai_emulate_exchange(0xffffffffu, words, 2);
    const int lane = emu.now % LANES, g = lane / 4, t = lane % 4 * 2;
    if (at % 16)
        broken("a row of a matrix does not begin at a multiple of 16 bytes");
    for (int i = 0; i < 4; i++) {
        uint16_t pair[2];
        for (int k = 0; k < 2; k++) {
            const int line = i * 8 + (turned ? t + k : g);
            memcpy(&pair[k], (const uint16_t *)(uintptr_t)(all[0][line] | (uint64_t)all[1][line] << 32) + (turned ? g : t + k), 2);
        }
        r[i] = (uint32_t)pair[0] | (uint32_t)pair[1] << 16;
    }
}

/* A warp goes on when every lane named by the masks is there (or has ended). */
static int release_warp(int first)
{
    int any = 0, end = first + LANES < emu.n ? first + LANES : emu.n;
    for (int i = first; i < end; i++)
        any |= emu.fibers[i].state == AT_EXCHANGE;
    for (int i = first; any && i < end; i++)
        for (int k = first; emu.fibers[i].state == AT_EXCHANGE && k < end; k++)
            if ((emu.fibers[i].mask >> (k - first) & 1) && emu.fibers[k].state != AT_EXCHANGE && emu.fibers[k].state != DONE)
                return 0;
    for (int i = first; any && i < end; i++)
        if (emu.fibers[i].state == AT_EXCHANGE)
            emu.fibers[i].state = READY;
    return any;
}

static int release(void)
{
    int alive = 0, waiting = 0, any = 0;
    for (int i = 0; i < emu.n; i += LANES)
        any |= release_warp(i);
    for (int i = 0; i < emu.n; i++) {
        alive += emu.fibers[i].state != DONE;
        waiting += emu.fibers[i].state == AT_BARRIER;
    }
    for (int i = 0; alive && waiting == alive && i < emu.n; i++)
        if (emu.fibers[i].state == AT_BARRIER) {
            emu.fibers[i].state = READY;
            any = 1;
        }
    if (alive && !any)
        broken("threads wait for each other: a barrier or a warp operation that not all of them reach");
    return alive > 0;
}

static void run_block(uint32_t order)
{
    for (int i = 0; i < emu.n; i++) {
        fiber *f = &emu.fibers[i];
        f->place = dim3((unsigned)i % blockDim.x, (unsigned)i / blockDim.x % blockDim.y, (unsigned)i / (blockDim.x * blockDim.y));
        f->state = READY;
        f->turn = 0;
        enter(i);
    }
    do {
        uint32_t stride = emu.n > 2 ? order % 4 : 0; /* forwards, backwards, and two that jump over the warps */
        for (int k = 0; k < emu.n; k++) {
            int i = stride == 1 ? emu.n - 1 - k : k;
            if (stride >= 2) {
                int rows = (emu.n + LANES - 1) / LANES;
                i = stride == 2 ? k : emu.n - 1 - k;
                i = i % rows * LANES + i / rows;
                if (i >= emu.n)
                    i = k;
            }
            if (emu.fibers[i].state != READY)
                continue;
            emu.now = i;
            threadIdx = emu.fibers[i].place;
            resume(i);
        }
        for (int i = 0; i < emu.n; i++) /* an order that left one out */
            if (emu.fibers[i].state == READY) {
                emu.now = i;
                threadIdx = emu.fibers[i].place;
                resume(i);
            }
        order++;
    } while (release());
}

static void make_room(size_t shared)
{
    if (!emu.fibers) {
        const char *order = getenv("BAUTA_EMULATE_ORDER"); /* 0 to 3: which order of threads comes first */
        emu.launches = order ? (uint32_t)strtoul(order, NULL, 10) : 0;
        emu.fibers = (fiber *)calloc(MOST, sizeof *emu.fibers);
        void *m = mmap(NULL, (size_t)MOST * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        emu.stacks = (char *)m;
        if (!emu.fibers || m == MAP_FAILED)
            broken("no memory");
    }
    if (shared > emu.shared_size) {
        free(emu.shared);
        emu.shared = (char *)aligned_alloc(64, (shared + 63) / 64 * 64);
        emu.shared_size = shared;
        if (!emu.shared)
            broken("no memory");
    }
}

extern "C" void bai_emulate_run(const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, void *ctx)
{
    uint64_t threads = (uint64_t)block->x * block->y * block->z;
    if (!threads || threads > MOST || !grid->x || !grid->y || !grid->z || grid->y > 65535 || grid->z > 65535 || shared > 227 * 1024)
        broken("a launch that no device accepts: 1 to 1024 threads, 1 to 65535 blocks in y and z, 227 KiB of shared memory");
    make_room(shared);
    gridDim = *grid;
    blockDim = *block;
    emu.n = (int)threads;
    emu.fn = fn;
    emu.ctx = ctx;
    emu.launches++;
    for (unsigned z = 0; z < grid->z; z++)
        for (unsigned y = 0; y < grid->y; y++)
            for (unsigned x = 0; x < grid->x; x++) {
                blockIdx = dim3(x, y, z);
                if (shared)
                    memset(emu.shared, 0xff, shared); /* NaN: what was not written must not be read */
                run_block(emu.launches);
            }
}
