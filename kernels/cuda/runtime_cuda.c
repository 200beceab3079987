/* runtime_cuda: the machine behind the CUDA device, by the CUDA runtime (linked statically: without a driver it says so); its matrix products
 * are in products_cuda.c.
 *
 * All work goes through one stream. A large block from the host goes through pinned memory and a stream of its own into a staging
 * block on the device, so that it can travel while a step computes; the main stream only copies it to where it belongs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime_cuda.h"

const char rt_name[] = "cuda";

/* Blocks below SMALL go from their own ring of pinned memory straight through the main stream. */
enum { SLOTS = 4, SMALL_SLOTS = 64, SMALL = 64 << 10 };

typedef struct slot {
    void *host, *device;
    size_t room;
    cudaEvent_t copied, used;
    int busy;                  /* `used` was recorded */
    void *to;                  /* where what rt_send has put here belongs; NULL: nothing */
    size_t bytes;
} slot;

struct rt {
    cudaStream_t stream, copies;
    slot slots[SLOTS];
    char *small;               /* SMALL_SLOTS of SMALL bytes */
    cudaEvent_t small_used[SMALL_SLOTS];
    int next, next_small, small_full; /* small_full: every small slot was used once */
    uint32_t *word;
    products *products;
    cudaEvent_t *marks;
    int n_marks;
    size_t shared;             /* that one block may have */
    int fp8;                   /* its tensor cores multiply E4M3 */
    char text[256];
};

int bai_cuda_fail(ba_err *e, cudaError_t r, const char *what)
{
    size_t free_ = 0, all = 0;
    (void)cudaGetLastError(); /* or the next launch would be blamed for it */
    if (r == cudaErrorMemoryAllocation && cudaMemGetInfo(&free_, &all) == cudaSuccess)
        return ba_fail(e, BA_EMACHINE, "cuda: no memory for %s; %.1f of %.1f GiB are free; a smaller batch needs less", what,
                       (double)free_ / 1073741824, (double)all / 1073741824);
    return ba_fail(e, BA_EMACHINE, "cuda: %s: %s", what, cudaGetErrorString(r));
}

/* ---- opening ---- */
static int open_streams(rt *r, ba_err *e)
{
    TRY(cudaStreamCreateWithFlags(&r->stream, cudaStreamNonBlocking), "making a stream");
    TRY(cudaStreamCreateWithFlags(&r->copies, cudaStreamNonBlocking), "making a stream");
    for (int i = 0; i < SLOTS; i++) {
        TRY(cudaEventCreateWithFlags(&r->slots[i].copied, cudaEventDisableTiming), "making an event");
        TRY(cudaEventCreateWithFlags(&r->slots[i].used, cudaEventDisableTiming), "making an event");
    }
    for (int i = 0; i < SMALL_SLOTS; i++)
        TRY(cudaEventCreateWithFlags(&r->small_used[i], cudaEventDisableTiming), "making an event");
    TRY(cudaMallocHost((void **)&r->small, (size_t)SMALL_SLOTS * SMALL), "pinned memory for input");
    TRY(cudaHostAlloc((void **)&r->word, 64, cudaHostAllocMapped), "a word of pinned memory");
    memset(r->word, 0, 64);
    return BA_OK;
}

static int open_device(rt *r, char *name, size_t size, ba_err *e)
{
    int n = 0, driver = 0, runtime = 0;
    struct cudaDeviceProp prop;
    TRY(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
    if (cudaDriverGetVersion(&driver) != cudaSuccess || !driver) /* 0: none is installed */
        return ba_fail(e, BA_EMACHINE, "cuda: no driver for NVIDIA GPUs is installed");
    if (driver / 1000 < runtime / 1000)
        return ba_fail(e, BA_EMACHINE, "cuda: the driver is for CUDA %d.%d; one for %d.0 or later is needed", driver / 1000, driver % 1000 / 10,
                       runtime / 1000);
    cudaError_t found = cudaGetDeviceCount(&n);
    if (found != cudaSuccess || n < 1) {
        (void)cudaGetLastError();
        return ba_fail(e, BA_EMACHINE, "cuda: no device (%s)", found == cudaSuccess ? "the driver knows none" : cudaGetErrorString(found));
    }
    TRY(cudaGetDeviceProperties(&prop, 0), "asking for the device's properties");
    if (prop.major < 8)
        return ba_fail(e, BA_EMACHINE, "cuda: %s has compute capability %d.%d; 8.0 or later is needed", prop.name, prop.major, prop.minor);
    TRY(cudaSetDevice(0), "taking device 0");
    r->shared = prop.sharedMemPerBlockOptin;
    r->fp8 = prop.major > 8 || (prop.major == 8 && prop.minor >= 9);
    snprintf(r->text, sizeof r->text, "%.60s, capability %d.%d, %.1f GiB, driver for CUDA %d.%d", prop.name, prop.major, prop.minor,
             (double)prop.totalGlobalMem / 1073741824, driver / 1000, driver % 1000 / 10);
    snprintf(name, size, "%.60s, %d multiprocessors", prop.name, prop.multiProcessorCount);
    return BA_OK;
}

rt *rt_open(ba_err *e)
{
    char name[96];
    rt *r = calloc(1, sizeof *r);
    if (!r) {
        ba_fail(e, BA_EMACHINE, "no memory for device cuda");
        return NULL;
    }
    if (open_device(r, name, sizeof name, e) || open_streams(r, e) || !(r->products = bai_products_open(name, r->stream, e))) {
        rt_close(r);
        return NULL;
    }
    snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), ", %s", bai_products_describe(r->products));
    return r;
}

void rt_close(rt *r)
{
    if (r->stream)
        (void)cudaStreamSynchronize(r->stream);
    if (r->copies)
        (void)cudaStreamSynchronize(r->copies);
    bai_products_close(r->products);
    for (int i = 0; i < SLOTS; i++) {
        (void)cudaFreeHost(r->slots[i].host);
        (void)cudaFree(r->slots[i].device);
        if (r->slots[i].copied)
            (void)cudaEventDestroy(r->slots[i].copied);
        if (r->slots[i].used)
            (void)cudaEventDestroy(r->slots[i].used);
    }
    for (int i = 0; i < SMALL_SLOTS; i++)
        if (r->small_used[i])
            (void)cudaEventDestroy(r->small_used[i]);
    for (int i = 0; i < r->n_marks; i++)
        (void)cudaEventDestroy(r->marks[i]);
    free(r->marks);
    (void)cudaFreeHost(r->small);
    (void)cudaFreeHost(r->word);
    if (r->copies)
        (void)cudaStreamDestroy(r->copies);
    if (r->stream)
        (void)cudaStreamDestroy(r->stream);
    free(r);
}

const char *rt_describe(rt *r) { return r->text; }
void *rt_stream(rt *r) { return r->stream; }
int rt_has_fp8(rt *r) { return r->fp8; }
size_t rt_shared(rt *r) { return r->shared; }

/* ---- memory ---- */
/* The slot that holds what was sent to a block. */
static slot *sent(rt *r, const void *to)
{
    for (int i = 0; i < SLOTS; i++)
        if (r->slots[i].to == to)
            return &r->slots[i];
    return NULL;
}

static void drop(slot *s)
{
    if (s)
        (void)cudaEventSynchronize(s->copied); /* its pinned memory is written next */
    if (s)
        s->to = NULL;
}

void *rt_alloc(rt *r, size_t bytes, ba_err *e)
{
    void *p = NULL;
    char what[64];
    snprintf(what, sizeof what, "a block of %.1f MiB", (double)bytes / 1048576);
    cudaError_t bad = cudaMalloc(&p, bytes);
    if (bad == cudaSuccess)
        bad = cudaMemsetAsync(p, 0, bytes, r->stream);
    if (bad == cudaSuccess)
        return p;
    bai_cuda_fail(e, bad, what);
    (void)cudaFree(p);
    return NULL;
}

void rt_free(rt *r, void *p)
{
    if (p) {
        (void)cudaStreamSynchronize(r->stream);
        drop(sent(r, p)); /* another block may get this address */
    }
    (void)cudaFree(p);
}

int64_t rt_room(rt *r)
{
    enum { LEFT = 512 << 20, SHARE = 8 }; /* what comes later: staging blocks of pictures, kernels that the library loads, the recorded step */
    size_t free_ = 0, all = 0;
    (void)r;
    if (cudaMemGetInfo(&free_, &all) != cudaSuccess)
        return -1;
    return (int64_t)(free_ - (free_ / SHARE < LEFT ? free_ / SHARE : LEFT));
}

static int slot_room(slot *s, size_t bytes, ba_err *e)
{
    if (s->room >= bytes)
        return BA_OK;
    (void)cudaFreeHost(s->host);
    (void)cudaFree(s->device);
    *s = (slot){ .copied = s->copied, .used = s->used };
    TRY(cudaMallocHost(&s->host, bytes), "pinned memory for input");
    TRY(cudaMalloc(&s->device, bytes), "a staging block for input");
    s->room = bytes;
    return BA_OK;
}

/* Sends a block to the staging block of a slot, on its own stream. */
static int send(rt *r, slot *s, const void *from, size_t bytes, ba_err *e)
{
    if (s->busy)
        TRY(cudaEventSynchronize(s->used), "waiting for an earlier copy");
    s->busy = 0;
    if (slot_room(s, bytes, e))
        return BA_EMACHINE;
    memcpy(s->host, from, bytes);
    TRY(cudaMemcpyAsync(s->device, s->host, bytes, cudaMemcpyHostToDevice, r->copies), "copying to the device");
    TRY(cudaEventRecord(s->copied, r->copies), "recording an event");
    return BA_OK;
}

/* The next slot that holds nothing sent; the oldest when all do. */
static slot *next_slot(rt *r)
{
    for (int i = 0; i < SLOTS; i++, r->next = (r->next + 1) % SLOTS)
        if (!r->slots[r->next].to)
            break;
    slot *s = &r->slots[r->next];
    r->next = (r->next + 1) % SLOTS;
    drop(s->to ? s : NULL);
    return s;
}

/* From the staging block to where it belongs, when the main stream gets there. */
static int arrive(rt *r, slot *s, void *to, size_t bytes, ba_err *e)
{
    s->to = NULL;
    TRY(cudaStreamWaitEvent(r->stream, s->copied, 0), "waiting for an event");
    TRY(cudaMemcpyAsync(to, s->device, bytes, cudaMemcpyDeviceToDevice, r->stream), "copying on the device");
    TRY(cudaEventRecord(s->used, r->stream), "recording an event");
    s->busy = 1;
    return BA_OK;
}

int rt_send(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    drop(sent(r, to));
    slot *s = next_slot(r);
    if (send(r, s, from, bytes, e))
        return BA_EMACHINE;
    s->to = to, s->bytes = bytes;
    return BA_OK;
}

int rt_take(rt *r, void *to, ba_err *e)
{
    slot *s = sent(r, to);
    return s ? arrive(r, s, to, s->bytes, e) : ba_fail(e, BA_EARG, "cuda: nothing was sent there");
}

static int put_small(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    int i = r->next_small;
    if (r->small_full)
        TRY(cudaEventSynchronize(r->small_used[i]), "waiting for an earlier copy");
    memcpy(r->small + (size_t)i * SMALL, from, bytes);
    TRY(cudaMemcpyAsync(to, r->small + (size_t)i * SMALL, bytes, cudaMemcpyHostToDevice, r->stream), "copying to the device");
    TRY(cudaEventRecord(r->small_used[i], r->stream), "recording an event");
    r->next_small = (i + 1) % SMALL_SLOTS;
    r->small_full |= !r->next_small;
    return BA_OK;
}

int rt_put(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    if (bytes < SMALL)
        return put_small(r, to, from, bytes, e);
    slot *s = next_slot(r);
    return send(r, s, from, bytes, e) ? BA_EMACHINE : arrive(r, s, to, bytes, e);
}

int rt_get(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, r->stream), "copying from the device");
    return rt_wait(r, e);
}

int rt_wait(rt *r, ba_err *e)
{
    TRY(cudaStreamSynchronize(r->stream), "waiting for the device");
    return BA_OK;
}

uint32_t *rt_shared_word(rt *r) { return r->word; } /* unified addressing: one pointer for both sides */

int rt_failed(rt *r, const char *where, ba_err *e)
{
    (void)r;
    cudaError_t bad = cudaGetLastError(); /* clears it, too */
    return bad == cudaSuccess ? BA_OK : ba_fail(e, BA_EMACHINE, "%s: cuda: %s", where, cudaGetErrorString(bad));
}

/* ---- recording ---- */
int rt_can_record(rt *r) { (void)r; return 1; }

int rt_record_begin(rt *r, ba_err *e)
{
    TRY(cudaStreamBeginCapture(r->stream, cudaStreamCaptureModeThreadLocal), "recording a step");
    return BA_OK;
}

int rt_record_end(rt *r, void **recording, ba_err *e)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    TRY(cudaStreamEndCapture(r->stream, &graph), "recording a step");
    cudaError_t bad = cudaGraphInstantiate(&exec, graph, 0);
    (void)cudaGraphDestroy(graph);
    if (bad != cudaSuccess)
        return bai_cuda_fail(e, bad, "recording a step");
    *recording = exec;
    return BA_OK;
}

int rt_replay(rt *r, void *recording, ba_err *e)
{
    TRY(cudaGraphLaunch(recording, r->stream), "replaying a step");
    return BA_OK;
}

void rt_recording_free(rt *r, void *recording)
{
    (void)r;
    if (recording)
        (void)cudaGraphExecDestroy(recording);
}

/* ---- time ---- */
int rt_mark(rt *r, int i, ba_err *e)
{
    if (i >= r->n_marks) {
        int n = i + 64;
        cudaEvent_t *more = realloc(r->marks, (size_t)n * sizeof *more);
        if (!more)
            return ba_fail(e, BA_EMACHINE, "no memory for marks");
        r->marks = more;
        for (; r->n_marks < n; r->n_marks++)
            TRY(cudaEventCreate(&r->marks[r->n_marks]), "making an event");
    }
    TRY(cudaEventRecord(r->marks[i], r->stream), "recording an event");
    return BA_OK;
}

double rt_between(rt *r, int i)
{
    float ms = 0;
    return i + 1 < r->n_marks && cudaEventElapsedTime(&ms, r->marks[i], r->marks[i + 1]) == cudaSuccess ? (double)ms / 1000 : 0;
}

/* ---- products ---- */
int rt_gemm_run(rt *r, const rt_gemm *g, ba_err *e) { return bai_products_run(r->products, g, e); }
int rt_gemm_fp8_run(rt *r, const rt_gemm_fp8 *g, ba_err *e) { return bai_products_run(r->products, &g->g, e); }
