/* pretend: the CUDA runtime's part; see pretend.h. Kernels are the emulator's. */
#include "pretend.h"

#include <map>
#include <memory>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern "C" { /* of kernels/cuda/emulate.h, whose words are CUDA's own here */
typedef void (*bai_emulate_fn)(void *ctx);
void bai_emulate_run(const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, void *ctx);
extern void (*bai_emulate_later)(void *stream, const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, const void *ctx, size_t bytes);
}

struct CUevent_st { CUstream_st *stream; uint64_t ticket; int timed; std::shared_ptr<double> at; };
struct CUgraphExec_st { std::shared_ptr<std::vector<std::function<void()>>> work; std::shared_ptr<int> alive; };

static struct {
    std::map<uintptr_t, size_t> device, host;
    std::set<CUstream_st *> streams;
    std::set<CUevent_st *> events;
    int graphs, n_streams, captures;
    size_t used;
    cudaError_t last;
} all;

extern "C" {

static void broken(const char *what)
{
    fprintf(stderr, "pretend: %s\n", what);
    abort(); /* what a real runtime may do anything with */
}

static cudaError_t said(cudaError_t r)
{
    if (r != cudaSuccess)
        all.last = r;
    return r;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t memory(void)
{
    const char *v = getenv("PRETEND_MEMORY");
    return v ? strtoull(v, NULL, 10) : (size_t)16 << 30;
}

static int within(const std::map<uintptr_t, size_t> &blocks, const void *p, size_t bytes)
{
    auto b = blocks.upper_bound((uintptr_t)p);
    return b != blocks.begin() && (--b, (uintptr_t)p + bytes <= b->first + b->second);
}

static void inside(const void *p, size_t bytes, const char *what)
{
    if (!within(all.device, p, bytes))
        broken(what);
}

/* ---- streams: queues that nobody works off before somebody waits ---- */
static void drain(CUstream_st *s, uint64_t upto)
{
    while (s->done < upto) {
        if (s->work.empty())
            broken("a stream waits for itself");
        std::function<void()> f = std::move(s->work.front());
        s->work.pop_front();
        f();
        s->done++;
    }
}

static void push(CUstream_st *s, std::function<void()> work)
{
    static const char *order = getenv("PRETEND_ORDER");
    if (!s)
        broken("work on the legacy stream");
    if (s->capturing) {
        s->graph->work.push_back(work);
        return;
    }
    s->work.push_back(work);
    s->pushed++;
    if (order && !strcmp(order, "early") && s->number)
        drain(s, s->pushed);
}

/* Calls that a thread must not make while it captures: they spoil the capture. */
static int forbidden(void)
{
    for (CUstream_st *s : all.streams)
        if (s->capturing)
            s->spoiled = 1;
    return all.captures;
}
#define FREE_OF_CAPTURE do { if (forbidden()) return said(cudaErrorStreamCaptureUnsupported); } while (0)

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned int flags)
{
    FREE_OF_CAPTURE;
    if (flags != cudaStreamNonBlocking)
        broken("a stream that waits for the legacy stream");
    *s = new CUstream_st { all.n_streams++, 0, 0, 0, 0, {}, NULL, push, inside };
    all.streams.insert(*s);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    FREE_OF_CAPTURE;
    drain(s, s->pushed);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    FREE_OF_CAPTURE;
    drain(s, s->pushed);
    all.streams.erase(s);
    delete s;
    if (all.streams.empty() && (!all.device.empty() || !all.host.empty() || !all.events.empty() || all.graphs))
        broken("closed, and not everything was released");
    if (all.streams.empty())
        all.n_streams = 0;
    return cudaSuccess;
}

/* ---- events ---- */
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned int flags)
{
    *e = new CUevent_st { NULL, 0, !(flags & cudaEventDisableTiming), nullptr };
    all.events.insert(*e);
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *e) { return cudaEventCreateWithFlags(e, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    all.events.erase(e);
    delete e;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    if (s->capturing)
        broken("an event of the host's is recorded into a graph");
    auto at = std::make_shared<double>(0);
    e->stream = s;
    e->at = at;
    push(s, [at]() { *at = now(); });
    e->ticket = s->pushed;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    FREE_OF_CAPTURE;
    if (e->stream)
        drain(e->stream, e->ticket);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned int flags)
{
    if (flags || s->capturing)
        broken("a wait that is not understood");
    CUstream_st *other = e->stream;
    uint64_t ticket = e->ticket;
    push(s, [other, ticket]() { if (other) drain(other, ticket); });
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b)
{
    if (!a->timed || !b->timed || !a->stream || !b->stream)
        return said(cudaErrorInvalidResourceHandle);
    if (a->stream->done < a->ticket || b->stream->done < b->ticket)
        return said(cudaErrorNotReady);
    *ms = (float)((*b->at - *a->at) * 1000);
    return cudaSuccess;
}

/* ---- memory ---- */
static cudaError_t take(void **p, size_t bytes, std::map<uintptr_t, size_t> &blocks)
{
    *p = aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (!*p)
        return said(cudaErrorMemoryAllocation);
    memset(*p, 0xff, bytes); /* NaN */
    blocks[(uintptr_t)*p] = bytes;
    return cudaSuccess;
}

static cudaError_t give(void *p, std::map<uintptr_t, size_t> &blocks)
{
    FREE_OF_CAPTURE;
    if (!p)
        return cudaSuccess;
    if (!blocks.count((uintptr_t)p))
        broken("memory released that was not taken");
    for (CUstream_st *s : all.streams)
        drain(s, s->pushed);
    blocks.erase((uintptr_t)p);
    free(p);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    FREE_OF_CAPTURE;
    if (!bytes)
        broken("no bytes asked for");
    if (all.used + bytes > memory())
        return said(cudaErrorMemoryAllocation);
    all.used += bytes;
    return take(p, bytes, all.device);
}
cudaError_t cudaFree(void *p)
{
    if (p && all.device.count((uintptr_t)p))
        all.used -= all.device[(uintptr_t)p];
    return give(p, all.device);
}
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned int flags)
{
    FREE_OF_CAPTURE;
    (void)flags;
    return take(p, bytes, all.host);
}
cudaError_t cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, 0); }
cudaError_t cudaFreeHost(void *p) { return give(p, all.host); }

cudaError_t cudaMemGetInfo(size_t *free_, size_t *total)
{
    *total = memory();
    *free_ = *total - all.used;
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s)
{
    inside(p, bytes, "cudaMemsetAsync outside of a block");
    push(s, [=]() { memset(p, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s)
{
    if (kind == cudaMemcpyHostToDevice && !within(all.host, from, bytes))
        broken("a copy from memory that is not pinned: it would not run beside the step");
    if (kind != cudaMemcpyDeviceToHost)
        inside(to, bytes, "cudaMemcpyAsync to outside of a block");
    if (kind != cudaMemcpyHostToDevice)
        inside(from, bytes, "cudaMemcpyAsync from outside of a block");
    if (s->capturing)
        broken("a copy of the host's in a graph");
    push(s, [=]() { memmove(to, from, bytes); });
    return cudaSuccess;
}

/* ---- graphs ---- */
cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
    if (s->capturing || mode == cudaStreamCaptureModeRelaxed)
        return said(cudaErrorIllegalState);
    s->capturing = 1;
    s->spoiled = 0;
    s->graph = new CUgraph_st;
    all.captures++;
    all.graphs++;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    delete g;
    all.graphs--;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g)
{
    if (!s->capturing)
        return said(cudaErrorIllegalState);
    s->capturing = 0;
    all.captures--;
    *g = s->graph;
    if (!s->spoiled)
        return cudaSuccess;
    cudaGraphDestroy(s->graph);
    *g = NULL;
    return said(cudaErrorStreamCaptureInvalidated);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *x, cudaGraph_t g, unsigned long long flags)
{
    if (flags)
        broken("flags of a graph");
    if (getenv("PRETEND_NO_GRAPHS"))
        return said(cudaErrorMemoryAllocation);
    *x = new CUgraphExec_st { std::make_shared<std::vector<std::function<void()>>>(g->work), std::make_shared<int>(1) };
    all.graphs++;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s)
{
    auto work = x->work;
    auto alive = x->alive;
    push(s, [work, alive]() {
        if (!*alive)
            broken("a graph was released before it ran");
        for (auto &f : *work)
            f();
    });
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x)
{
    *x->alive = 0;
    delete x;
    all.graphs--;
    return cudaSuccess;
}

/* ---- the device ---- */
cudaError_t cudaGetDeviceCount(int *n) { *n = getenv("PRETEND_DEVICES") ? atoi(getenv("PRETEND_DEVICES")) : 1; return *n ? cudaSuccess : said(cudaErrorNoDevice); }
cudaError_t cudaDriverGetVersion(int *v) { *v = getenv("PRETEND_DRIVER") ? atoi(getenv("PRETEND_DRIVER")) : 13000; return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *v) { *v = CUDART_VERSION; return cudaSuccess; }
cudaError_t cudaSetDevice(int i) { return i ? said(cudaErrorInvalidDevice) : cudaSuccess; }
cudaError_t cudaGetLastError(void) { cudaError_t r = all.last; all.last = cudaSuccess; return r; }
const char *cudaGetErrorString(cudaError_t r) { return r == cudaErrorNoDevice ? "no CUDA-capable device is detected" : r == cudaErrorMemoryAllocation ? "out of memory" : "an error"; }

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int i)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "Pretended GPU");
    p->major = getenv("PRETEND_MAJOR") ? atoi(getenv("PRETEND_MAJOR")) : 9;
    p->multiProcessorCount = 132;
    p->sharedMemPerBlockOptin = 227 * 1024;
    p->totalGlobalMem = memory();
    return i ? said(cudaErrorInvalidDevice) : cudaSuccess;
}

}

/* ---- kernels ---- */
static void later(void *stream, const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, const void *ctx, size_t bytes)
{
    auto room = std::shared_ptr<void>(aligned_alloc(64, (bytes + 63) / 64 * 64), free);
    dim3 g = *grid, b = *block;
    memcpy(room.get(), ctx, bytes);
    if (bytes > 32764)
        broken("more parameters than a kernel takes");
    push((CUstream_st *)stream, [=]() { bai_emulate_run(&g, &b, shared, fn, room.get()); });
}

__attribute__((constructor)) static void hook(void) { bai_emulate_later = later; }
