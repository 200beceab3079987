/* sigmoid on CUDA. */
#include "../cuda/each.h"

struct f_sigmoid { __device__ float operator()(const float *x) const { return ba_sigmoid(x[0]); } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_sigmoid()); }

BA_CUDA_OP(sigmoid) = { "sigmoid", launch };
