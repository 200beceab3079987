/* gemm: the library behind matrix products, or plain loops. */
#include "gemm.h"

#if BAI_PLAIN || !(BA_HAVE_DNNL || BA_HAVE_OPENBLAS)

void bai_sgemm(int ta, int tb, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, float beta, float *C, int64_t ldc)
{
    for (int64_t m = 0; m < M; m++) {
        float *c = C + m * ldc;
        for (int64_t n = 0; n < N; n++)
            c[n] = beta == 0 ? 0 : beta * c[n];
        for (int64_t k = 0; k < K && !tb; k++) {
            float a = alpha * (ta ? A[k * lda + m] : A[m * lda + k]);
            for (int64_t n = 0; n < N; n++)
                c[n] += a * B[k * ldb + n];
        }
        for (int64_t n = 0; n < N && tb; n++) {
            float s = 0;
            for (int64_t k = 0; k < K; k++)
                s += (ta ? A[k * lda + m] : A[m * lda + k]) * B[n * ldb + k];
            c[n] += alpha * s;
        }
    }
}

#elif BA_HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>

void bai_sgemm(int ta, int tb, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, float beta, float *C, int64_t ldc)
{
    dnnl_status_t r = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
    if (r != dnnl_success) { /* only for a wrong argument of ours */
        fprintf(stderr, "bauta: sgemm %lldx%lldx%lld refused by oneDNN (%d)\n", (long long)M, (long long)N, (long long)K, (int)r);
        abort();
    }
}

#else
#include <cblas.h>

void bai_sgemm(int ta, int tb, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, float beta, float *C, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)M, (int)N, (int)K, alpha, A, (int)lda,
                B, (int)ldb, beta, C, (int)ldc);
}

#endif
