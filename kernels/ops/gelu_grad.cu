/* gelu_grad on CUDA. */
#include "../cuda/each.h"

struct f_gelu_grad { __device__ float operator()(const float *x) const { return x[0] * ba_gelu_slope(x[1]); } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<2>(c, f_gelu_grad()); }

BA_CUDA_OP(gelu_grad) = { "gelu_grad", launch };
