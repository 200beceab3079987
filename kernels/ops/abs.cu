/* abs on CUDA. */
#include "../cuda/each.h"

struct f_abs { __device__ float operator()(const float *x) const { return fabsf(x[0]); } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_abs()); }

BA_CUDA_OP(abs) = { "abs", launch };
