/* gemm: matrix products in fp32, row-major, on the calling thread only. C[M,N] = alpha op(A) op(B), or added to C.
 *
 * Kernels cut their work into blocks whose size depends on the shape alone and call this for each, so that results do
 * not depend on the number of threads. The products are this house's own: register tiles of BAI_MR x BAI_NR, B in
 * panels of BAI_NR columns. Where the build says so (BAI_LIBRARY) the tier calls the library instead; both sit behind
 * the same three calls. Nothing here allocates: panels that serve many blocks lie in the scratch of the operation, those of
 * a single product, and a transposed A, on the stack. */
#ifndef BAI_GEMM_H
#define BAI_GEMM_H

#include "kernel.h"

/* A tile's rows and columns, and how many terms of a sum are taken at a time: B's panel stays in the first-level cache, a block of A in the second. */
#if defined(__AVX512F__)
enum { BAI_MR = 12, BAI_NR = 2 * VL, BAI_KC = 192 };
#elif defined(__AVX2__)
enum { BAI_MR = 6, BAI_NR = 2 * VL, BAI_KC = 384 };
#else
enum { BAI_MR = 4, BAI_NR = 2 * VL, BAI_KC = 384 };
#endif
enum { BAI_TERMS = BAI_KC < 256 ? BAI_KC : 256 }; /* terms taken at a time of a transposed A; a panel has room for BAI_KC */
enum { BAI_MB = 192, /* rows of A that go through all panels before the next rows do; kernels cut rows by it */
       BAI_NB = 384 }; /* columns of B that are packed together where A is transposed */
/* What becomes of sums that are complete: rows x cols numbers t (row stride ldt) that belong at (m, n) of C. It puts them where they
 * belong, be it C itself or not. Called for tiles, or for the whole of C; t may be C. */
typedef void (*bai_finish_fn)(void *ctx, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *t, int64_t ldt);

/* op(B) [K,N] for use by many products: at is bai_panels_bytes of scratch, filled by bai_panels_fill (NULL: packed on the way).
 * B itself must live as long. */
typedef struct bai_panels { const float *B; int64_t ldb; int trans; int64_t K, N; float *at; } bai_panels;

typedef struct bai_gemm {
    int64_t M, N, K;
    int trans_a, add;            /* add: to what C holds */
    float alpha;
    const float *A;              /* [M,K], or [K,M] when trans_a */
    int64_t lda;
    float *C;                    /* also holds sums that are not complete yet: always needed, room for M x N with row stride ldc */
    int64_t ldc;
    const float *bias;           /* [N]: what every row's sums begin with (alpha is 1 then), or NULL: zeros */
    const float *also;           /* a second matrix like C that finish writes, or NULL: only fetched in time */
    int64_t more;                /* rows of A and B behind those of this product, multiplied next: fetched in time */
    bai_finish_fn finish;        /* NULL: the sums go to C */
    void *ctx;
} bai_gemm;

#define bai_panels_bytes BAI_TIERED(bai_panels_bytes)
#define bai_panels_fill BAI_TIERED(bai_panels_fill)
#define bai_multiply BAI_TIERED(bai_multiply)
#define bai_sgemm BAI_TIERED(bai_sgemm)

int64_t bai_panels_bytes(int64_t K, int64_t N);
/* Fills all panels, on all workers of k; k->parallel must not be running. */
void bai_panels_fill(const ba_kernel *k, bai_panels *b);
/* op(B) is columns n0 .. n0 + g->N of b; n0 a multiple of BAI_NR. */
void bai_multiply(const bai_gemm *g, const bai_panels *b, int64_t n0);
/* One product: B [K,N], or [N,K] when trans_b. */
void bai_sgemm(int trans_a, int trans_b, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, int add, float *C, int64_t ldc);

#endif
