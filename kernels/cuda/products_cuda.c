/* products_cuda: matrix products by cuBLASLt (opened at run time: it belongs to the user's CUDA installation). Each product that differs in shape, types,
 * epilogue or alignment has a plan, made at its first call and kept, so that nothing is asked while a step is recorded or replayed.
 *
 * Which algorithm: the library's first proposal, or, where BAUTA_CUDA_TUNE=1 was set once, the fastest of its proposals by a stopwatch, kept in a file by
 * GPU, library and product. Another algorithm adds in another order; so runs agree to the bit as long as the file is the same, and its name is said. */
#include <cublasLt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime_cuda.h"

#ifndef BAI_LT_LIBRARY
#define BAI_LT_LIBRARY "libcublasLt.so.13"
#endif

enum { WORKSPACE = 32 << 20, PROPOSALS = 12, TRIALS = 7, KEY = 200 };

typedef struct lt { /* cuBLASLt's functions that are used */
    void *library;
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
    cublasStatus_t (*propose)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t[], int *);
    cublasStatus_t (*check)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                            cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, cublasLtMatmulHeuristicResult_t *);
    cublasStatus_t (*matmul)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t, const void *,
                             cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t, void *, cublasLtMatrixLayout_t,
                             const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t);
} lt;

typedef struct plan {
    char key[KEY];
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algo;
    int left;                 /* RT_NO_...: asked for, not offered */
} plan;

typedef struct kept { char key[KEY]; cublasLtMatmulAlgo_t algo; } kept; /* a line of the file */

struct products {
    lt lt;
    cublasLtHandle_t blas;
    cudaStream_t stream;
    void *workspace;
    plan *plans;
    kept *kept;
    int n_plans, room, n_kept, tune, sums_fused, any_order;
    char file[512], text[200];
};

/* ---- opening ---- */
static int symbol(lt *l, void *to, const char *name, ba_err *e)
{
    void *f = dlsym(l->library, name);
    memcpy(to, &f, sizeof f);
    return f ? BA_OK : ba_fail(e, BA_EMACHINE, "cuda: the cuBLASLt found has no %s; CUDA 13 expected", name);
}

static int open_library(lt *l, ba_err *e)
{
    l->library = dlopen(BAI_LT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!l->library)
        return ba_fail(e, BA_EMACHINE, "cuda: cuBLASLt of CUDA 13 cannot be opened (%.200s)", dlerror());
    return symbol(l, &l->create, "cublasLtCreate", e) || symbol(l, &l->destroy, "cublasLtDestroy", e) || symbol(l, &l->version, "cublasLtGetVersion", e) ||
        symbol(l, &l->desc_new, "cublasLtMatmulDescCreate", e) || symbol(l, &l->desc_set, "cublasLtMatmulDescSetAttribute", e) ||
        symbol(l, &l->desc_free, "cublasLtMatmulDescDestroy", e) || symbol(l, &l->layout_new, "cublasLtMatrixLayoutCreate", e) ||
        symbol(l, &l->layout_set, "cublasLtMatrixLayoutSetAttribute", e) || symbol(l, &l->layout_free, "cublasLtMatrixLayoutDestroy", e) ||
        symbol(l, &l->pref_new, "cublasLtMatmulPreferenceCreate", e) || symbol(l, &l->pref_set, "cublasLtMatmulPreferenceSetAttribute", e) ||
        symbol(l, &l->pref_free, "cublasLtMatmulPreferenceDestroy", e) || symbol(l, &l->propose, "cublasLtMatmulAlgoGetHeuristic", e) ||
        symbol(l, &l->check, "cublasLtMatmulAlgoCheck", e) || symbol(l, &l->matmul, "cublasLtMatmul", e);
}

static int is_set(const char *name)
{
    const char *v = getenv(name);
    return v && *v && strcmp(v, "0");
}

/* ---- the file of tuned products: a line each, KEY : eight words of the algorithm ---- */
static void name_file(products *p, const char *gpu)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char clean[96];
    size_t n = 0;
    if ((!cache || !*cache) && (!home || !*home))
        return;
    for (; gpu[n] && n + 1 < sizeof clean; n++)
        clean[n] = (gpu[n] >= 'a' && gpu[n] <= 'z') || (gpu[n] >= 'A' && gpu[n] <= 'Z') || (gpu[n] >= '0' && gpu[n] <= '9') ? gpu[n] : '-';
    clean[n] = 0;
    snprintf(p->file, sizeof p->file, "%.200s%s/bauta/products-%s-%zu", cache && *cache ? cache : home, cache && *cache ? "" : "/.cache", clean, p->lt.version());
}

static int parse(const char *line, kept *k)
{
    const char *colon = strstr(line, " : ");
    int at = 0;
    if (!colon || colon - line >= KEY)
        return 0;
    memset(k, 0, sizeof *k);
    memcpy(k->key, line, (size_t)(colon - line));
    colon += 3;
    for (int i = 0; i < 8; i++, colon += at) {
        unsigned long long word;
        if (sscanf(colon, "%llx%n", &word, &at) != 1)
            return 0;
        k->algo.data[i] = word;
    }
    return *colon == '\n';
}

static int keep(products *p, const kept *k, ba_err *e)
{
    kept *more = realloc(p->kept, (size_t)(p->n_kept + 1) * sizeof *more);
    if (!more)
        return ba_fail(e, BA_EMACHINE, "no memory for tuned products");
    p->kept = more;
    p->kept[p->n_kept++] = *k;
    return BA_OK;
}

static int read_file(products *p, ba_err *e)
{
    char line[KEY + 200];
    kept k;
    int n = 0, r = BA_OK;
    FILE *f = *p->file ? fopen(p->file, "r") : NULL;
    while (f && !r && fgets(line, sizeof line, f)) {
        n++;
        r = parse(line, &k) ? keep(p, &k, e) : ba_fail(e, BA_EDATA, "%s: line %d is not a tuned product; delete the file", p->file, n);
    }
    if (f)
        fclose(f);
    return r;
}

static int append(products *p, const kept *k, ba_err *e)
{
    char folder[512], line[KEY + 200];
    int n = snprintf(line, sizeof line, "%s :", k->key);
    snprintf(folder, sizeof folder, "%s", p->file);
    for (char *s = folder + 1; *s; s++)
        if (*s == '/') {
            *s = 0;
            mkdir(folder, 0755);
            *s = '/';
        }
    for (int i = 0; i < 8; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %llx", (unsigned long long)k->algo.data[i]);
    line[n++] = '\n';
    FILE *f = fopen(p->file, "a");
    int bad = !f || fwrite(line, 1, (size_t)n, f) != (size_t)n;
    if (f && fclose(f))
        bad = 1;
    return bad ? ba_fail(e, BA_EMACHINE, "%s cannot be written", p->file) : keep(p, k, e);
}

static void describe_all(products *p)
{
    uint32_t h = 2166136261u; /* of what was kept: another file, another sum */
    for (int i = 0; i < p->n_kept; i++)
        for (size_t k = 0; k < sizeof p->kept[i]; k++)
            h = (h ^ ((const unsigned char *)&p->kept[i])[k]) * 16777619u;
    int n = snprintf(p->text, sizeof p->text, "cuBLASLt %zu", p->lt.version());
    if (p->n_kept)
        n += snprintf(p->text + n, sizeof p->text - (size_t)n, ", %d tuned products (%08x)", p->n_kept, h);
    snprintf(p->text + n, sizeof p->text - (size_t)n, "%s%s%s", p->tune ? ", tuning" : "", p->sums_fused ? ", bias gradients fused" : "",
             p->any_order ? ", sums in any order" : "");
}

products *bai_products_open(const char *gpu, cudaStream_t stream, ba_err *e)
{
    products *p = calloc(1, sizeof *p);
    if (!p) {
        ba_fail(e, BA_EMACHINE, "no memory for device cuda");
        return NULL;
    }
    p->stream = stream;
    p->tune = is_set("BAUTA_CUDA_TUNE");
    p->sums_fused = is_set("BAUTA_CUDA_FUSED_SUMS");
    p->any_order = is_set("BAUTA_CUDA_ANY_ORDER");
    int bad = open_library(&p->lt, e);
    if (!bad && p->lt.create(&p->blas) != CUBLAS_STATUS_SUCCESS)
        bad = ba_fail(e, BA_EMACHINE, "cuda: cuBLASLt does not start");
    if (!bad && cudaMalloc(&p->workspace, WORKSPACE) != cudaSuccess)
        bad = bai_cuda_fail(e, cudaErrorMemoryAllocation, "cuBLASLt's workspace");
    if (!bad) {
        name_file(p, gpu);
        bad = read_file(p, e);
    }
    if (!bad && p->tune && !*p->file)
        bad = ba_fail(e, BA_EMACHINE, "BAUTA_CUDA_TUNE: neither XDG_CACHE_HOME nor HOME says where to keep what was found");
    if (bad) {
        bai_products_close(p);
        return NULL;
    }
    describe_all(p);
    return p;
}

const char *bai_products_describe(const products *p) { return p->text; }

static void plan_free(products *p, plan *q)
{
    if (q->desc)
        p->lt.desc_free(q->desc);
    if (q->a)
        p->lt.layout_free(q->a);
    if (q->b)
        p->lt.layout_free(q->b);
    if (q->c)
        p->lt.layout_free(q->c);
    q->desc = NULL, q->a = q->b = q->c = NULL;
}

void bai_products_close(products *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_plans; i++)
        plan_free(p, &p->plans[i]);
    free(p->plans);
    free(p->kept);
    if (p->blas)
        p->lt.destroy(p->blas);
    (void)cudaFree(p->workspace);
    free(p); /* the library stays mapped: unmapping it while the driver holds its modules is not safe */
}

/* ---- plans ---- */
static int is_fp8(const rt_gemm *g) { return g->type_a == BA_U8; }

static int blas_fail(ba_err *e, cublasStatus_t s, const rt_gemm *g)
{
    return ba_fail(e, BA_EMACHINE, "cuBLASLt refuses a product of %lldx%lld and %lldx%lld%s (status %d)", (long long)g->m, (long long)g->k,
                   (long long)g->k, (long long)g->n, is_fp8(g) ? " in FP8" : "", (int)s);
}

static cudaDataType_t type_of(int dtype) { return dtype == BA_BF16 ? CUDA_R_16BF : dtype == BA_U8 ? CUDA_R_8F_E4M3 : CUDA_R_32F; }

static int layout(products *p, cublasLtMatrixLayout_t *l, int type, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride)
{
    int32_t count = (int32_t)batch;
    return p->lt.layout_new(l, type_of(type), (uint64_t)rows, (uint64_t)cols, ld) ||
        p->lt.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count) ||
        p->lt.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
}

/* The vector that an epilogue reads (bias) or writes (sums); NULL where the plan has none. */
static void *vector_of(const rt_gemm *g, int left)
{
    const void *v = g->bias && !(left & RT_NO_BIAS) ? g->bias : g->sums && !(left & RT_NO_SUMS) ? g->sums : NULL;
    return (void *)(uintptr_t)v;
}

/* The scales of E4M3 factors (its A is our B), and that sums go on in fp32: the faster way keeps fewer digits while it adds. */
static int set_scales(products *p, const plan *q, const rt_gemm *g)
{
    const rt_gemm_fp8 *f = (const rt_gemm_fp8 *)g; /* whose first member g then is */
    int8_t fast = 0;
    return is_fp8(g) && (p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &f->scale_b, sizeof f->scale_b) ||
        p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &f->scale_a, sizeof f->scale_a) ||
        p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast, sizeof fast));
}

/* cuBLASLt counts columns first: row-major C = op(A) op(B) is its C' = op(B)' op(A)', so its A is our B. Its bias goes down the rows of C', which are our
 * columns; its "bias gradient of B" is the sum of each column of op(A)', which are the rows of our op(A). */
static int describe(products *p, plan *q, const rt_gemm *g)
{
    int32_t ta = g->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N, tb = g->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N, type = (int32_t)type_of(g->type_c);
    uint32_t epilogue = g->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADB;
    void *vector = vector_of(g, q->left);
    cublasComputeType_t compute = g->tf32 && g->type_a == BA_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    int bad = p->lt.desc_new(&q->desc, compute, CUDA_R_32F) || p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta) ||
        p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb) ||
        layout(p, &q->a, g->type_b, g->trans_b ? g->k : g->n, g->trans_b ? g->n : g->k, g->ldb, g->batch, g->stride_b) ||
        layout(p, &q->b, g->type_a, g->trans_a ? g->m : g->k, g->trans_a ? g->k : g->m, g->lda, g->batch, g->stride_a) ||
        layout(p, &q->c, g->type_c, g->n, g->m, g->ldc, g->batch, g->stride_c) || set_scales(p, q, g);
    if (!bad && vector) /* the pointer too: the proposals go by its alignment */
        bad = p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) ||
            p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type) ||
            p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &vector, sizeof vector);
    return bad;
}

static cublasStatus_t call(products *p, const plan *q, const rt_gemm *g, const cublasLtMatmulAlgo_t *algo)
{
    void *vector = vector_of(g, q->left);
    if (set_scales(p, q, g))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (vector && p->lt.desc_set(q->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &vector, sizeof vector))
        return CUBLAS_STATUS_INVALID_VALUE;
    return p->lt.matmul(p->blas, q->desc, &g->alpha, g->b, q->a, g->a, q->b, &g->beta, g->c, q->c, g->c, q->c, algo, p->workspace, WORKSPACE, p->stream);
}

/* The largest power of two up to 16 that divides all addresses: parts of packed tensors begin in the middle. */
static uint32_t alignment(const rt_gemm *g)
{
    uintptr_t all = (uintptr_t)g->a | (uintptr_t)g->b | (uintptr_t)g->c | (uintptr_t)g->bias | (uintptr_t)g->sums | 16;
    return (uint32_t)(all & (~all + 1));
}

static int preferences(products *p, cublasLtMatmulPreference_t pref, uint32_t align)
{
    uint64_t space = WORKSPACE;
    /* Parts of a sum are joined in a step of their own, in fp32: not in place as they come, not rounded to the output's type. */
    uint32_t schemes = p->any_order ? CUBLASLT_REDUCTION_SCHEME_MASK : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    return p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &space, sizeof space) ||
        p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes) ||
        p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &align, sizeof align) ||
        p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &align, sizeof align) ||
        p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &align, sizeof align) ||
        p->lt.pref_set(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &align, sizeof align);
}

/* Up to `most` algorithms, the library's first choice first; gives how many. */
static int propose(products *p, plan *q, const rt_gemm *g, int most, cublasLtMatmulHeuristicResult_t *found)
{
    cublasLtMatmulPreference_t pref = NULL;
    int n = 0, good = 0;
    if (p->lt.pref_new(&pref) || preferences(p, pref, alignment(g)) ||
        p->lt.propose(p->blas, q->desc, q->a, q->b, q->c, q->c, pref, most, found, &n) != CUBLAS_STATUS_SUCCESS)
        n = 0;
    if (pref)
        p->lt.pref_free(pref);
    for (int i = 0; i < n; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS && found[i].workspaceSize <= WORKSPACE)
            found[good++] = found[i];
    return good;
}

/* ---- the stopwatch ---- */
static int time_one(products *p, const plan *q, const rt_gemm *g, const cublasLtMatmulAlgo_t *algo, cudaEvent_t *mark, float *best, ba_err *e)
{
    *best = -1;
    for (int i = 0; i < TRIALS; i++) {
        float ms = 0;
        TRY(cudaEventRecord(mark[0], p->stream), "recording an event");
        if (call(p, q, g, algo) != CUBLAS_STATUS_SUCCESS)
            return BA_OK;
        TRY(cudaEventRecord(mark[1], p->stream), "recording an event");
        TRY(cudaEventSynchronize(mark[1]), "timing a product");
        TRY(cudaEventElapsedTime(&ms, mark[0], mark[1]), "timing a product");
        if (i > 1 && (*best < 0 || ms < *best)) /* the first two warm up */
            *best = ms;
    }
    return BA_OK;
}

static int fastest(products *p, plan *q, const rt_gemm *g, const cublasLtMatmulHeuristicResult_t *found, int n, ba_err *e)
{
    cudaEvent_t mark[2] = { NULL, NULL };
    float least = -1;
    int r = BA_OK;
    if (cudaEventCreate(&mark[0]) != cudaSuccess || cudaEventCreate(&mark[1]) != cudaSuccess)
        r = bai_cuda_fail(e, cudaErrorUnknown, "making an event");
    for (int i = 0; i < n && !r; i++) {
        float ms = -1;
        r = time_one(p, q, g, &found[i].algo, mark, &ms, e);
        if (ms >= 0 && (least < 0 || ms < least)) {
            least = ms;
            q->algo = found[i].algo;
        }
    }
    for (int i = 0; i < 2; i++)
        if (mark[i])
            (void)cudaEventDestroy(mark[i]);
    return r;
}

/* What the file says of this product, if the library still takes it. */
static int recall(products *p, plan *q)
{
    cublasLtMatmulHeuristicResult_t r;
    for (int i = 0; i < p->n_kept; i++)
        if (!strcmp(p->kept[i].key, q->key) &&
            p->lt.check(p->blas, q->desc, q->a, q->b, q->c, q->c, &p->kept[i].algo, &r) == CUBLAS_STATUS_SUCCESS && r.workspaceSize <= WORKSPACE) {
            q->algo = p->kept[i].algo;
            return 1;
        }
    return 0;
}

static int choose(products *p, plan *q, const rt_gemm *g, ba_err *e)
{
    cublasLtMatmulHeuristicResult_t found[PROPOSALS];
    int tune = p->tune && g->beta == 0; /* what is computed again and again must not add up */
    if (recall(p, q))
        return BA_OK;
    int n = propose(p, q, g, tune ? PROPOSALS : 1, found);
    if (n < 1 && !tune)
        n = propose(p, q, g, PROPOSALS, found); /* the first may be one that does not suit */
    if (n < 1)
        return ba_fail(e, BA_EARG, "none");
    q->algo = found[0].algo;
    if (!tune)
        return BA_OK;
    kept k = { .key = "" };
    int r = fastest(p, q, g, found, n, e);
    if (r)
        return r;
    memcpy(k.key, q->key, KEY);
    k.algo = q->algo;
    return append(p, &k, e);
}

static int make(products *p, plan *q, const rt_gemm *g, ba_err *e)
{
    ba_err inner = { 0 };
    if (describe(p, q, g))
        return blas_fail(e, CUBLAS_STATUS_INTERNAL_ERROR, g);
    int r = choose(p, q, g, &inner);
    if (r != BA_EARG)
        return r ? ba_fail(e, r, "%s", inner.msg) : BA_OK;
    if (!vector_of(g, q->left))
        return blas_fail(e, CUBLAS_STATUS_NOT_SUPPORTED, g);
    plan_free(p, q); /* no algorithm: then without the epilogue */
    q->left |= g->bias ? RT_NO_BIAS : RT_NO_SUMS;
    return make(p, q, g, e);
}

static void key_of(const products *p, const rt_gemm *g, int left, char *key)
{
    memset(key, 0, KEY);
    snprintf(key, KEY, "%d%d %d%d%d %d %lldx%lldx%lld %lld %lld %lld %lld %lld %lld %lld %s%s%s %u", g->trans_a, g->trans_b, g->type_a, g->type_b, g->type_c,
             g->tf32, (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->lda, (long long)g->ldb, (long long)g->ldc, (long long)g->batch,
             (long long)g->stride_a, (long long)g->stride_b, (long long)g->stride_c, g->bias ? "b" : "-", g->sums && !left ? "s" : "-",
             p->any_order ? "~" : "", alignment(g));
}

static plan *new_plan(products *p, const char *key, ba_err *e)
{
    if (p->n_plans == p->room) {
        int room = p->room ? 2 * p->room : 64;
        plan *more = realloc(p->plans, (size_t)room * sizeof *more);
        if (!more) {
            ba_fail(e, BA_EMACHINE, "no memory for a product");
            return NULL;
        }
        p->plans = more;
        p->room = room;
    }
    plan *q = &p->plans[p->n_plans];
    memset(q, 0, sizeof *q);
    memcpy(q->key, key, KEY);
    return q;
}

int bai_products_run(products *p, const rt_gemm *g, ba_err *e)
{
    char key[KEY];
    plan *q = NULL;
    int left = g->sums && !p->sums_fused ? RT_NO_SUMS : 0;
    key_of(p, g, left, key);
    for (int i = 0; i < p->n_plans && !q; i++)
        if (!strcmp(p->plans[i].key, key))
            q = &p->plans[i];
    if (!q) {
        if (!(q = new_plan(p, key, e)))
            return BA_EMACHINE;
        q->left = left;
        int bad = make(p, q, g, e);
        if (bad) {
            plan_free(p, q);
            return bad;
        }
        p->n_plans++;
    }
    cublasStatus_t s = call(p, q, g, &q->algo);
    return s == CUBLAS_STATUS_SUCCESS ? q->left : blas_fail(e, s, g);
}
