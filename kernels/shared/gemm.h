/* gemm: C[M,N] = alpha * op(A) op(B) + beta * C, fp32, row-major, on the calling thread only.
 *
 * Kernels cut their work into blocks whose size depends on the shape alone and call this for each, so that results do
 * not depend on the number of threads. The plain tier multiplies with loops; the others call the library. */
#ifndef BAI_GEMM_H
#define BAI_GEMM_H

#include "kernel.h"

#define bai_sgemm BAI_TIERED(bai_sgemm)
void bai_sgemm(int trans_a, int trans_b, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, float beta, float *C, int64_t ldc);

#endif
