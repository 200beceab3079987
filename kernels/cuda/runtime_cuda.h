/* runtime_cuda: what runtime_cuda.c and products_cuda.c share. */
#ifndef BAI_RUNTIME_CUDA_H
#define BAI_RUNTIME_CUDA_H

#include <cuda_runtime_api.h>

#include "runtime_fp8.h"

int bai_cuda_fail(ba_err *e, cudaError_t r, const char *what);
#define TRY(CALL, WHAT) do { cudaError_t try_ = (CALL); if (try_ != cudaSuccess) return bai_cuda_fail(e, try_, (WHAT)); } while (0)

/* Matrix products by cuBLASLt. gpu: what its choices of algorithms are kept under. */
typedef struct products products;
products *bai_products_open(const char *gpu, cudaStream_t stream, ba_err *e);
void bai_products_close(products *p); /* NULL: nothing */
const char *bai_products_describe(const products *p);
int bai_products_run(products *p, const rt_gemm *g, ba_err *e); /* as rt_gemm_run; g of an rt_gemm_fp8 where its factors are BA_U8 */

#endif
