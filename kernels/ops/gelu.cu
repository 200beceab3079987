/* gelu on CUDA. */
#include "../cuda/each.h"

struct f_gelu { __device__ float operator()(const float *x) const { return ba_gelu(x[0]); } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_gelu()); }

BA_CUDA_OP(gelu) = { "gelu", launch };
