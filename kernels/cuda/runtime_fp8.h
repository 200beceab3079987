/* runtime_fp8: matrix products in FP8 (E4M3), besides those of runtime.h. */
#ifndef BAI_CUDA_RUNTIME_FP8_H
#define BAI_CUDA_RUNTIME_FP8_H

#include "runtime.h"

int rt_has_fp8(rt *r); /* whether it multiplies E4M3 */

/* g.a and g.b are codes (types BA_U8), multiplied by numbers that lie on the device. Only as A B^T, with n, k and the row strides multiples of 16 and all
 * addresses of 16 bytes; a bias only with a result in bf16. */
typedef struct rt_gemm_fp8 { rt_gemm g; const float *scale_a, *scale_b; } rt_gemm_fp8;
int rt_gemm_fp8_run(rt *r, const rt_gemm_fp8 *g, ba_err *e); /* as rt_gemm_run */

#endif
