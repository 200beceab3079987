/* runtime_cuda: the machine behind the CUDA device, by the CUDA runtime (linked statically: without a driver it says so) and cuBLASLt
 * (opened at run time: it belongs to the user's CUDA installation).
 *
 * All work goes through one stream. A large block from the host goes through pinned memory and a stream of its own into a staging
 * block on the device, so that it travels while the step before it computes; the main stream only copies it to where it belongs. */
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

const char rt_name[] = "cuda";

enum { SLOTS = 4, WORKSPACE = 32 << 20, MOST_PLANS = 1024, SMALL = 64 << 10 };

typedef struct slot { void *host, *device; size_t room; cudaEvent_t copied, used; int busy; } slot;

typedef struct lt { /* cuBLASLt's functions that are used */
    void *handle;
    cublasStatus_t (*create)(cublasLtHandle_t *);
    cublasStatus_t (*destroy)(cublasLtHandle_t);
    size_t (*version)(void);
    cublasStatus_t (*desc_new)(cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t);
    cublasStatus_t (*desc_set)(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void *, size_t);
    cublasStatus_t (*desc_free)(cublasLtMatmulDesc_t);
    cublasStatus_t (*layout_new)(cublasLtMatrixLayout_t *, cudaDataType_t, uint64_t, uint64_t, int64_t);
    cublasStatus_t (*layout_set)(cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t, const void *, size_t);
    cublasStatus_t (*layout_free)(cublasLtMatrixLayout_t);
    cublasStatus_t (*pref_new)(cublasLtMatmulPreference_t *);
    cublasStatus_t (*pref_set)(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void *, size_t);
    cublasStatus_t (*pref_free)(cublasLtMatmulPreference_t);
    cublasStatus_t (*heuristic)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t[], int *);
    cublasStatus_t (*matmul)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t, const void *,
                             cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t, void *, cublasLtMatrixLayout_t,
                             const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t);
} lt;

/* One product's descriptors and algorithm, made at its first call and kept: none is made while a step runs. */
typedef struct plan {
    rt_gemm key;              /* pointers and scalars left out */
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algo;
    int has_bias, refuses;    /* asked for a bias; the library has no such product */
    uint32_t align;           /* of all pointers, at most 16: parts of packed tensors begin in the middle */
} plan;

struct rt {
    cudaStream_t stream, copies;
    slot slots[SLOTS];
    int next;
    uint32_t *word;
    lt lt;
    cublasLtHandle_t blas;
    void *workspace;
    plan *plans;
    int n_plans;
    cudaEvent_t *marks;
    int n_marks;
    size_t shared;            /* that one block may have */
    char text[160];
};

static int cuda_fail(ba_err *e, cudaError_t r, const char *what)
{
    size_t free_ = 0, all = 0;
    if (r == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        (void)cudaMemGetInfo(&free_, &all);
        return ba_fail(e, BA_EMACHINE, "cuda: no memory for %s; %.1f of %.1f GiB are free; a smaller batch needs less", what,
                       (double)free_ / 1073741824, (double)all / 1073741824);
    }
    return ba_fail(e, BA_EMACHINE, "cuda: %s: %s", what, cudaGetErrorString(r));
}
#define TRY(CALL, WHAT) do { cudaError_t try_ = (CALL); if (try_ != cudaSuccess) return cuda_fail(e, try_, (WHAT)); } while (0)

/* ---- opening ---- */
static int symbol(lt *l, void *to, const char *name, ba_err *e)
{
    void *f = dlsym(l->handle, name);
    memcpy(to, &f, sizeof f);
    return f ? BA_OK : ba_fail(e, BA_EMACHINE, "cuda: the cuBLASLt found has no %s; CUDA 13 expected", name);
}

static int open_lt(lt *l, ba_err *e)
{
    l->handle = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return ba_fail(e, BA_EMACHINE, "cuda: libcublasLt.so.13 of CUDA 13 cannot be opened (%.200s)", dlerror());
    return symbol(l, &l->create, "cublasLtCreate", e) || symbol(l, &l->destroy, "cublasLtDestroy", e) || symbol(l, &l->version, "cublasLtGetVersion", e) ||
        symbol(l, &l->desc_new, "cublasLtMatmulDescCreate", e) || symbol(l, &l->desc_set, "cublasLtMatmulDescSetAttribute", e) ||
        symbol(l, &l->desc_free, "cublasLtMatmulDescDestroy", e) || symbol(l, &l->layout_new, "cublasLtMatrixLayoutCreate", e) ||
        symbol(l, &l->layout_set, "cublasLtMatrixLayoutSetAttribute", e) || symbol(l, &l->layout_free, "cublasLtMatrixLayoutDestroy", e) ||
        symbol(l, &l->pref_new, "cublasLtMatmulPreferenceCreate", e) || symbol(l, &l->pref_set, "cublasLtMatmulPreferenceSetAttribute", e) ||
        symbol(l, &l->pref_free, "cublasLtMatmulPreferenceDestroy", e) || symbol(l, &l->heuristic, "cublasLtMatmulAlgoGetHeuristic", e) ||
        symbol(l, &l->matmul, "cublasLtMatmul", e);
}

static int open_streams(rt *r, ba_err *e)
{
    TRY(cudaStreamCreateWithFlags(&r->stream, cudaStreamNonBlocking), "making a stream");
    TRY(cudaStreamCreateWithFlags(&r->copies, cudaStreamNonBlocking), "making a stream");
    for (int i = 0; i < SLOTS; i++) {
        TRY(cudaEventCreateWithFlags(&r->slots[i].copied, cudaEventDisableTiming), "making an event");
        TRY(cudaEventCreateWithFlags(&r->slots[i].used, cudaEventDisableTiming), "making an event");
    }
    TRY(cudaHostAlloc((void **)&r->word, 64, cudaHostAllocMapped), "a word of pinned memory");
    memset(r->word, 0, 64);
    TRY(cudaMalloc(&r->workspace, WORKSPACE), "cuBLASLt's workspace");
    return BA_OK;
}

static int open_device(rt *r, ba_err *e)
{
    int n = 0, driver = 0, runtime = 0, major = 0, minor = 0;
    size_t free_ = 0, all = 0;
    struct cudaDeviceProp prop;
    cudaError_t found = cudaGetDeviceCount(&n);
    if (found != cudaSuccess || n < 1)
        return ba_fail(e, BA_EMACHINE, "cuda: no device (%s)", found == cudaSuccess ? "the driver knows none" : cudaGetErrorString(found));
    TRY(cudaDriverGetVersion(&driver), "asking for the driver's version");
    TRY(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
    if (driver / 1000 < runtime / 1000)
        return ba_fail(e, BA_EMACHINE, "cuda: the driver is for CUDA %d.%d; %d.0 or later is needed", driver / 1000, driver % 1000 / 10, runtime / 1000);
    TRY(cudaSetDevice(0), "taking device 0");
    TRY(cudaGetDeviceProperties(&prop, 0), "asking for the device's properties");
    major = prop.major, minor = prop.minor;
    if (major < 8)
        return ba_fail(e, BA_EMACHINE, "cuda: %s has compute capability %d.%d; 8.0 or later is needed", prop.name, major, minor);
    TRY(cudaMemGetInfo(&free_, &all), "asking for the device's memory");
    r->shared = prop.sharedMemPerBlockOptin;
    snprintf(r->text, sizeof r->text, "%.60s, capability %d.%d, %.1f GiB, driver for CUDA %d.%d", prop.name, major, minor, (double)all / 1073741824,
             driver / 1000, driver % 1000 / 10);
    return BA_OK;
}

rt *rt_open(ba_err *e)
{
    rt *r = calloc(1, sizeof *r);
    if (!r) {
        ba_fail(e, BA_EMACHINE, "no memory for device cuda");
        return NULL;
    }
    int bad = open_device(r, e) || open_lt(&r->lt, e) || open_streams(r, e);
    if (!bad && r->lt.create(&r->blas) != CUBLAS_STATUS_SUCCESS)
        bad = ba_fail(e, BA_EMACHINE, "cuda: cuBLASLt does not start");
    if (!bad && !(r->plans = calloc(MOST_PLANS, sizeof *r->plans)))
        bad = ba_fail(e, BA_EMACHINE, "no memory for device cuda");
    if (bad) {
        rt_close(r);
        return NULL;
    }
    snprintf(r->text + strlen(r->text), sizeof r->text - strlen(r->text), ", cuBLASLt %zu", r->lt.version());
    return r;
}

static void plan_free(rt *r, plan *p);

void rt_close(rt *r)
{
    if (r->stream)
        (void)cudaStreamSynchronize(r->stream);
    for (int i = 0; i < r->n_plans; i++)
        plan_free(r, &r->plans[i]);
    free(r->plans);
    if (r->blas)
        r->lt.destroy(r->blas);
    for (int i = 0; i < SLOTS; i++) {
        (void)cudaFreeHost(r->slots[i].host);
        (void)cudaFree(r->slots[i].device);
        if (r->slots[i].copied)
            (void)cudaEventDestroy(r->slots[i].copied);
        if (r->slots[i].used)
            (void)cudaEventDestroy(r->slots[i].used);
    }
    for (int i = 0; i < r->n_marks; i++)
        (void)cudaEventDestroy(r->marks[i]);
    free(r->marks);
    (void)cudaFree(r->workspace);
    (void)cudaFreeHost(r->word);
    if (r->copies)
        (void)cudaStreamDestroy(r->copies);
    if (r->stream)
        (void)cudaStreamDestroy(r->stream);
    free(r); /* cuBLASLt stays mapped: unmapping it while the driver holds its modules is not safe */
}

const char *rt_describe(rt *r) { return r->text; }
void *rt_stream(rt *r) { return r->stream; }
size_t rt_shared(rt *r) { return r->shared; }

/* ---- memory ---- */
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
    cuda_fail(e, bad, what);
    (void)cudaFree(p);
    return NULL;
}

void rt_free(rt *r, void *p)
{
    if (p)
        (void)cudaStreamSynchronize(r->stream);
    (void)cudaFree(p);
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

int rt_put(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    slot *s = &r->slots[r->next++ % SLOTS];
    if (s->busy)
        TRY(cudaEventSynchronize(s->used), "waiting for an earlier copy");
    if (slot_room(s, bytes, e))
        return BA_EMACHINE;
    memcpy(s->host, from, bytes);
    s->busy = 1;
    if (bytes < SMALL) {
        TRY(cudaMemcpyAsync(to, s->host, bytes, cudaMemcpyHostToDevice, r->stream), "copying to the device");
    } else {
        TRY(cudaMemcpyAsync(s->device, s->host, bytes, cudaMemcpyHostToDevice, r->copies), "copying to the device");
        TRY(cudaEventRecord(s->copied, r->copies), "recording an event");
        TRY(cudaStreamWaitEvent(r->stream, s->copied, 0), "waiting for an event");
        TRY(cudaMemcpyAsync(to, s->device, bytes, cudaMemcpyDeviceToDevice, r->stream), "copying on the device");
    }
    TRY(cudaEventRecord(s->used, r->stream), "recording an event");
    return BA_OK;
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
    cudaError_t bad = cudaGetLastError();
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
        return cuda_fail(e, bad, "recording a step");
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
static int blas_fail(ba_err *e, cublasStatus_t s, const rt_gemm *g)
{
    return ba_fail(e, BA_EMACHINE, "cuBLASLt refuses a product of %lldx%lld and %lldx%lld (status %d)", (long long)g->m, (long long)g->k,
                   (long long)g->k, (long long)g->n, (int)s);
}

static cudaDataType_t type_of(int dtype) { return dtype == BA_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

static int layout(rt *r, cublasLtMatrixLayout_t *l, int type, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride)
{
    int32_t count = (int32_t)batch;
    return r->lt.layout_new(l, type_of(type), (uint64_t)rows, (uint64_t)cols, ld) ||
        r->lt.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count) ||
        r->lt.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
}

/* cuBLASLt counts columns first: row-major C = op(A) op(B) is its C' = op(B)' op(A)'. */
static int describe(rt *r, plan *p, const rt_gemm *g)
{
    cublasOperation_t ta = g->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N, tb = g->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cudaDataType_t bias = CUDA_R_32F;
    int bad = r->lt.desc_new(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) || r->lt.desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta) ||
        r->lt.desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb) ||
        layout(r, &p->a, g->type_b, g->trans_b ? g->k : g->n, g->trans_b ? g->n : g->k, g->ldb, g->batch, g->stride_b) ||
        layout(r, &p->b, g->type_a, g->trans_a ? g->m : g->k, g->trans_a ? g->k : g->m, g->lda, g->batch, g->stride_a) ||
        layout(r, &p->c, g->type_c, g->n, g->m, g->ldc, g->batch, g->stride_c);
    if (!bad && p->has_bias && !p->refuses)
        bad = r->lt.desc_set(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) ||
            r->lt.desc_set(p->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias, sizeof bias);
    return bad;
}

static cublasStatus_t call(rt *r, const plan *p, const rt_gemm *g, const cublasLtMatmulAlgo_t *algo)
{
    if (p->has_bias && !p->refuses)
        (void)r->lt.desc_set(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &g->bias, sizeof g->bias);
    return r->lt.matmul(r->blas, p->desc, &g->alpha, g->b, p->a, g->a, p->b, &g->beta, g->c, p->c, g->c, p->c, algo, r->workspace, WORKSPACE, r->stream);
}

static void plan_free(rt *r, plan *p)
{
    if (p->desc)
        r->lt.desc_free(p->desc);
    if (p->a)
        r->lt.layout_free(p->a);
    if (p->b)
        r->lt.layout_free(p->b);
    if (p->c)
        r->lt.layout_free(p->c);
    p->desc = NULL, p->a = p->b = p->c = NULL;
}

static int make(rt *r, plan *p, const rt_gemm *g, ba_err *e)
{
    cublasLtMatmulPreference_t pref = NULL;
    cublasLtMatmulHeuristicResult_t found;
    size_t space = WORKSPACE;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK & ~(uint32_t)CUBLASLT_REDUCTION_SCHEME_INPLACE; /* in place: atomics, another sum each time */
    int n = 0;
    if (describe(r, p, g) || r->lt.pref_new(&pref) || r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &space, sizeof space) ||
        r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes) ||
        r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &p->align, sizeof p->align) ||
        r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &p->align, sizeof p->align) ||
        r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &p->align, sizeof p->align) ||
        r->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &p->align, sizeof p->align))
        return blas_fail(e, CUBLAS_STATUS_INTERNAL_ERROR, g);
    cublasStatus_t s = r->lt.heuristic(r->blas, p->desc, p->a, p->b, p->c, p->c, pref, 1, &found, &n);
    r->lt.pref_free(pref);
    if (s != CUBLAS_STATUS_SUCCESS || n < 1) {
        if (!p->has_bias || p->refuses)
            return blas_fail(e, s, g);
        plan_free(r, p);
        p->refuses = 1;
        return make(r, p, g, e);
    }
    p->algo = found.algo; /* not the fastest by a stopwatch: another algorithm is another sum, and runs must agree to the bit */
    return BA_OK;
}

static rt_gemm key_of(const rt_gemm *g)
{
    rt_gemm k;
    memset(&k, 0, sizeof k);
    k.trans_a = g->trans_a, k.trans_b = g->trans_b, k.type_a = g->type_a, k.type_b = g->type_b, k.type_c = g->type_c;
    k.m = g->m, k.n = g->n, k.k = g->k, k.lda = g->lda, k.ldb = g->ldb, k.ldc = g->ldc;
    k.batch = g->batch, k.stride_a = g->stride_a, k.stride_b = g->stride_b, k.stride_c = g->stride_c;
    return k;
}

/* The largest power of two up to 16 that divides all addresses. */
static uint32_t alignment(const rt_gemm *g)
{
    uintptr_t all = (uintptr_t)g->a | (uintptr_t)g->b | (uintptr_t)g->c | 16;
    return (uint32_t)(all & (~all + 1));
}

int rt_gemm_run(rt *r, const rt_gemm *g, ba_err *e)
{
    rt_gemm key = key_of(g);
    uint32_t align = alignment(g);
    plan *p = NULL;
    for (int i = 0; i < r->n_plans && !p; i++)
        if (!memcmp(&r->plans[i].key, &key, sizeof key) && r->plans[i].has_bias == (g->bias != NULL) && r->plans[i].align == align)
            p = &r->plans[i];
    if (!p) {
        if (r->n_plans == MOST_PLANS)
            return ba_fail(e, BA_EMACHINE, "more than %d different matrix products", MOST_PLANS);
        p = &r->plans[r->n_plans];
        *p = (plan){ .key = key, .has_bias = g->bias != NULL, .align = align };
        int bad = make(r, p, g, e);
        if (bad) {
            plan_free(r, p);
            return bad;
        }
        r->n_plans++;
    }
    cublasStatus_t s = call(r, p, g, &p->algo);
    return s == CUBLAS_STATUS_SUCCESS ? p->refuses : blas_fail(e, s, g);
}
