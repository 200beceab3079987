/* pretend: cuBLASLt's part; see pretend.h. Columns come first, as there; epilogues as its header describes them. */
#include <cublasLt.h>

#include "pretend.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct layout { cudaDataType_t type; uint64_t rows, cols; int64_t ld, stride; int32_t batch; } layout;
typedef struct desc { cublasComputeType_t compute; int32_t ta, tb, bias_type; uint32_t epilogue; void *vector; const float *scale[2]; int8_t fast; } desc;
typedef struct pref { uint64_t space; uint32_t schemes, align[4]; } pref;

static int live; /* descriptors that were not given back */

static void broken(const char *what)
{
    fprintf(stderr, "pretend: cuBLASLt: %s\n", what);
    abort();
}

static size_t size_of(cudaDataType_t t) { return t == CUDA_R_32F ? 4 : t == CUDA_R_8F_E4M3 ? 1 : 2; }

static float e4m3(uint8_t code)
{
    int exponent = code >> 3 & 15, mantissa = code & 7;
    float a = exponent ? (float)(8 + mantissa) * (float)(1 << exponent) / 1024 : (float)mantissa / 512;
    if ((code & 0x7f) == 0x7f)
        a = __builtin_nanf("");
    return code & 0x80 ? -a : a;
}

static float number(const void *p, cudaDataType_t type, int64_t i, int tf32)
{
    if (type == CUDA_R_8F_E4M3)
        return e4m3(((const uint8_t *)p)[i]);
    uint32_t u = type == CUDA_R_32F ? ((const uint32_t *)p)[i] : (uint32_t)((const uint16_t *)p)[i] << 16;
    float f;
    if (tf32)
        u = (u + 0x1000u) & 0xffffe000u;
    memcpy(&f, &u, 4);
    return f;
}

static void set(void *p, cudaDataType_t type, int64_t i, float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    if (type == CUDA_R_32F)
        ((uint32_t *)p)[i] = u;
    else
        ((uint16_t *)p)[i] = x != x ? 0x7fff : (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

/* What the documentation of cublasLtMatmul demands of E4M3: A transposed and B not, fp32 sums; all dimensions multiples of 16; a bias in bf16. */
static int has_fp8(const desc *d, const layout *a, const layout *b, const layout *c, const layout *o)
{
    uint64_t m = d->ta ? a->cols : a->rows, k = d->ta ? a->rows : a->cols, n = d->tb ? b->rows : b->cols;
    if (d->fast)
        broken("fast accumulation is on, and nobody asked for it");
    return d->ta == CUBLAS_OP_T && d->tb == CUBLAS_OP_N && d->compute == CUBLAS_COMPUTE_32F && (o->type == CUDA_R_16BF || o->type == CUDA_R_32F) &&
        c->type == o->type && k % 16 == 0 && m % 16 == 0 && n % 16 == 0 && a->ld % 16 == 0 && b->ld % 16 == 0 && (uint64_t)o->ld * size_of(o->type) % 16 == 0 &&
        (d->epilogue == CUBLASLT_EPILOGUE_DEFAULT || (d->epilogue == CUBLASLT_EPILOGUE_BIAS && d->bias_type == CUDA_R_16BF));
}

/* Whether the four fit, and the library has such a product. */
static cublasStatus_t judge(const desc *d, const layout *a, const layout *b, const layout *c, const layout *o)
{
    uint64_t m = d->ta ? a->cols : a->rows, k = d->ta ? a->rows : a->cols, kb = d->tb ? b->cols : b->rows, n = d->tb ? b->rows : b->cols;
    if (k != kb || o->rows != m || o->cols != n || c->rows != m || c->cols != n || a->ld < (int64_t)a->rows || b->ld < (int64_t)b->rows ||
        o->ld < (int64_t)m || c->ld < (int64_t)m || a->batch != b->batch || b->batch != c->batch || c->batch != o->batch)
        return CUBLAS_STATUS_INVALID_VALUE;
    int narrow = a->type == CUDA_R_16BF && b->type == CUDA_R_16BF && (o->type == CUDA_R_16BF || o->type == CUDA_R_32F);
    int wide = a->type == CUDA_R_32F && b->type == CUDA_R_32F && o->type == CUDA_R_32F, fp8 = a->type == CUDA_R_8F_E4M3 && b->type == CUDA_R_8F_E4M3;
    if (!fp8 && (d->scale[0] || d->scale[1]))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (fp8 && !has_fp8(d, a, b, c, o))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if ((!narrow && !wide && !fp8) || c->type != o->type || (d->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && !wide))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (d->epilogue == CUBLASLT_EPILOGUE_DEFAULT)
        return CUBLAS_STATUS_SUCCESS;
    if ((d->epilogue != CUBLASLT_EPILOGUE_BIAS && d->epilogue != CUBLASLT_EPILOGUE_BGRADB) || o->batch != 1)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!d->vector)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!fp8 && d->bias_type != -1 && d->bias_type != (int32_t)o->type)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return d->epilogue == CUBLASLT_EPILOGUE_BIAS ? (n % 5 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED) /* now and then one is missing */
                                                 : (m % 2 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS);
}

static uint64_t sign(const desc *d, const layout *a, const layout *b, const layout *o)
{
    uint64_t words[] = { (uint64_t)d->compute, (uint64_t)d->ta, (uint64_t)d->tb, d->epilogue, a->type, a->rows, a->cols, (uint64_t)a->ld, b->rows, b->cols,
        (uint64_t)b->ld, o->type, (uint64_t)o->ld, (uint64_t)o->batch }, h = 1469598103934665603ull;
    for (uint64_t w : words)
        h = (h ^ w) * 1099511628211ull;
    return h;
}

static uint32_t least_alignment(const void *p) { uintptr_t u = (uintptr_t)p | 256; return (uint32_t)(u & (~u + 1)); }

/* An algorithm: the product it is for, the alignment it needs, the workspace, which order it adds in. */
static void algorithm(cublasLtMatmulHeuristicResult_t *r, uint64_t s, uint32_t align, int number)
{
    memset(r, 0, sizeof *r);
    r->algo.data[0] = s;
    r->algo.data[1] = align;
    r->algo.data[2] = (uint64_t)(number ? 1 << 20 : 0);
    r->algo.data[3] = (uint64_t)number;
    r->workspaceSize = r->algo.data[2];
    r->state = CUBLAS_STATUS_SUCCESS;
}

extern "C" {

size_t cublasLtGetVersion(void) { return 130000; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) { *h = (cublasLtHandle_t)&live; return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
    if (h != (cublasLtHandle_t)&live || live)
        broken("closed, and not every descriptor was given back");
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *p, cublasComputeType_t compute, cudaDataType_t scale)
{
    if (scale != CUDA_R_32F || (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    live++;
    *p = (cublasLtMatmulDesc_t)new desc { compute, CUBLAS_OP_N, CUBLAS_OP_N, -1, CUBLASLT_EPILOGUE_DEFAULT, NULL, { NULL, NULL }, 0 };
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t p) { live--; delete (desc *)p; return CUBLAS_STATUS_SUCCESS; }

static cublasStatus_t put(void *to, size_t room, const void *from, size_t bytes)
{
    if (room != bytes)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, from, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p, cublasLtMatmulDescAttributes_t which, const void *v, size_t bytes)
{
    desc *d = (desc *)p;
    switch (which) {
        case CUBLASLT_MATMUL_DESC_TRANSA: return put(&d->ta, sizeof d->ta, v, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSB: return put(&d->tb, sizeof d->tb, v, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE: return put(&d->epilogue, sizeof d->epilogue, v, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return put(&d->vector, sizeof d->vector, v, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return put(&d->bias_type, sizeof d->bias_type, v, bytes);
        case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER: return put(&d->scale[0], sizeof d->scale[0], v, bytes);
        case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER: return put(&d->scale[1], sizeof d->scale[1], v, bytes);
        case CUBLASLT_MATMUL_DESC_FAST_ACCUM: return put(&d->fast, sizeof d->fast, v, bytes);
        default: return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *p, cudaDataType_t type, uint64_t rows, uint64_t cols, int64_t ld)
{
    live++;
    *p = (cublasLtMatrixLayout_t)new layout { type, rows, cols, ld, 0, 1 };
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t p) { live--; delete (layout *)p; return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t p, cublasLtMatrixLayoutAttribute_t which, const void *v, size_t bytes)
{
    layout *l = (layout *)p;
    switch (which) {
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return put(&l->batch, sizeof l->batch, v, bytes);
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return put(&l->stride, sizeof l->stride, v, bytes);
        default: return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    live++;
    *p = (cublasLtMatmulPreference_t)new pref { 0, CUBLASLT_REDUCTION_SCHEME_MASK, { 256, 256, 256, 256 } };
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { live--; delete (pref *)p; return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t which, const void *v, size_t bytes)
{
    pref *q = (pref *)p;
    switch (which) {
        case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return put(&q->space, sizeof q->space, v, bytes);
        case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return put(&q->schemes, sizeof q->schemes, v, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return put(&q->align[0], 4, v, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return put(&q->align[1], 4, v, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return put(&q->align[2], 4, v, bytes);
        case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return put(&q->align[3], 4, v, bytes);
        default: return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t dp, cublasLtMatrixLayout_t ap, cublasLtMatrixLayout_t bp,
                                              cublasLtMatrixLayout_t cp, cublasLtMatrixLayout_t op, cublasLtMatmulPreference_t pp, int asked,
                                              cublasLtMatmulHeuristicResult_t out[], int *n)
{
    const desc *d = (desc *)dp;
    const pref *p = (pref *)pp;
    cublasStatus_t s = judge(d, (layout *)ap, (layout *)bp, (layout *)cp, (layout *)op);
    *n = 0;
    if (h != (cublasLtHandle_t)&live || asked < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (s != CUBLAS_STATUS_SUCCESS)
        return s;
    if (p->schemes & CUBLASLT_REDUCTION_SCHEME_INPLACE && !getenv("BAUTA_CUDA_ANY_ORDER"))
        broken("sums in place are allowed, and nobody asked for them");
    uint32_t align = d->epilogue == CUBLASLT_EPILOGUE_DEFAULT ? 256 : least_alignment(d->vector);
    for (int i = 0; i < 4; i++)
        align = p->align[i] < align ? p->align[i] : align;
    uint64_t sum = sign(d, (layout *)ap, (layout *)bp, (layout *)op);
    for (int i = 0; i < 3 && *n < asked; i++, ++*n) {
        algorithm(&out[*n], sum, align, i);
        if (!i && sum % 7 == 0) { /* the first is of no use */
            memset(&out[*n], 0xee, sizeof out[*n]);
            out[*n].state = CUBLAS_STATUS_NOT_SUPPORTED;
        }
        if (out[*n].state == CUBLAS_STATUS_SUCCESS && out[*n].workspaceSize > p->space)
            out[*n].state = CUBLAS_STATUS_NOT_SUPPORTED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t h, cublasLtMatmulDesc_t dp, cublasLtMatrixLayout_t ap, cublasLtMatrixLayout_t bp,
                                       cublasLtMatrixLayout_t cp, cublasLtMatrixLayout_t op, const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *r)
{
    const desc *d = (desc *)dp;
    cublasStatus_t s = judge(d, (layout *)ap, (layout *)bp, (layout *)cp, (layout *)op);
    (void)h;
    if (s != CUBLAS_STATUS_SUCCESS)
        return s;
    if (algo->data[0] != sign(d, (layout *)ap, (layout *)bp, (layout *)op) || algo->data[3] > 2)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    algorithm(r, algo->data[0], (uint32_t)algo->data[1], (int)algo->data[3]);
    return CUBLAS_STATUS_SUCCESS;
}

typedef struct job { desc d; layout a, b, o; float alpha, beta; const void *pa, *pb, *pc; void *po; int order; } job;

static float factor(const job *j, const void *p, const layout *l, int64_t batch, int64_t row, int64_t col, int trans)
{
    if (trans) {
        int64_t t = row;
        row = col;
        col = t;
    }
    return number(p, l->type, batch * l->stride + col * l->ld + row, j->d.compute == CUBLAS_COMPUTE_32F_FAST_TF32);
}

static void compute(const job *j)
{
    int64_t m = (int64_t)j->o.rows, n = (int64_t)j->o.cols, k = (int64_t)(j->d.ta ? j->a.rows : j->a.cols);
    float alpha = j->alpha * (j->d.scale[0] ? *j->d.scale[0] : 1) * (j->d.scale[1] ? *j->d.scale[1] : 1);
    for (int64_t batch = 0; batch < j->o.batch; batch++)
        for (int64_t col = 0; col < n; col++)
            for (int64_t row = 0; row < m; row++) {
                float s = 0, part = 0;
                for (int64_t i = 0; i < k; i++) {
                    int64_t at = j->order == 1 ? k - 1 - i : i;
                    part += factor(j, j->pa, &j->a, batch, row, at, j->d.ta) * factor(j, j->pb, &j->b, batch, at, col, j->d.tb);
                    if (i % (j->order == 2 ? 8 : 64) == 7) {
                        s += part;
                        part = 0;
                    }
                }
                int64_t at = batch * j->o.stride + col * j->o.ld + row;
                s = alpha * (s + part) + (j->beta != 0 ? j->beta * number(j->pc, j->o.type, at, 0) : 0);
                if (j->d.epilogue == CUBLASLT_EPILOGUE_BIAS)
                    s += number(j->d.vector, j->a.type == CUDA_R_8F_E4M3 ? CUDA_R_16BF : j->o.type, row, 0);
                set(j->po, j->o.type, at, s);
            }
    for (int64_t col = 0; j->d.epilogue == CUBLASLT_EPILOGUE_BGRADB && col < n; col++) {
        float s = 0;
        for (int64_t i = 0; i < k; i++)
            s += factor(j, j->pb, &j->b, 0, i, col, j->d.tb);
        set(j->d.vector, j->o.type, col, s);
    }
}

static void inside(cudaStream_t s, const void *p, const layout *l, uint32_t align)
{
    size_t each = size_of(l->type), bytes = (size_t)((l->batch - 1) * l->stride + ((int64_t)l->cols - 1) * l->ld + (int64_t)l->rows) * each;
    s->inside(p, bytes, "a matrix outside of its block");
    if ((uintptr_t)p % align)
        broken("an algorithm that needs aligned matrices got others");
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t dp, const void *alpha, const void *a, cublasLtMatrixLayout_t ap, const void *b,
                              cublasLtMatrixLayout_t bp, const void *beta, const void *c, cublasLtMatrixLayout_t cp, void *o, cublasLtMatrixLayout_t op,
                              const cublasLtMatmulAlgo_t *algo, void *space, size_t space_bytes, cudaStream_t stream)
{
    const desc *d = (desc *)dp;
    job j = { *d, *(layout *)ap, *(layout *)bp, *(layout *)op, *(const float *)alpha, *(const float *)beta, a, b, c, o, 0 };
    cublasStatus_t s = judge(d, &j.a, &j.b, (layout *)cp, &j.o);
    if (h != (cublasLtHandle_t)&live || s != CUBLAS_STATUS_SUCCESS)
        return s;
    if (!algo || algo->data[0] != sign(d, &j.a, &j.b, &j.o) || algo->data[2] > space_bytes || (uintptr_t)space % 256)
        return CUBLAS_STATUS_INVALID_VALUE;
    uint32_t align = (uint32_t)algo->data[1] > 16 ? 16 : (uint32_t)algo->data[1];
    if (j.a.type == CUDA_R_8F_E4M3 && ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)o) % 16)
        broken("matrices of an FP8 product that are not aligned to 16 bytes");
    for (const float *scale : d->scale)
        if (scale)
            stream->inside(scale, sizeof *scale, "a scale outside of its block");
    stream->inside(space, space_bytes, "a workspace outside of its block");
    inside(stream, a, &j.a, align);
    inside(stream, b, &j.b, align);
    inside(stream, c, (layout *)cp, align);
    inside(stream, o, &j.o, align);
    if (d->epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
        size_t each = size_of(j.o.type);
        stream->inside(d->vector, (d->epilogue == CUBLASLT_EPILOGUE_BIAS ? j.o.rows : j.o.cols) * each, "an epilogue's vector outside of its block");
        if ((uintptr_t)d->vector % align)
            broken("an algorithm that needs an aligned vector got another");
    }
    j.order = (int)algo->data[3];
    stream->push(stream, [j]() { compute(&j); });
    return CUBLAS_STATUS_SUCCESS;
}

}
