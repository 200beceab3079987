/* sqrt on CUDA. */
#include "../cuda/each.h"

struct f_sqrt { __device__ float operator()(const float *x) const { return sqrtf(x[0]); } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_sqrt()); }

BA_CUDA_OP(sqrt) = { "sqrt", launch };
