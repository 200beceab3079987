/* relu on CUDA. */
#include "../cuda/each.h"

struct f_relu { __device__ float operator()(const float *x) const { return x[0] != x[0] ? x[0] : x[0] > 0 ? x[0] : 0.f; } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_relu()); }

BA_CUDA_OP(relu) = { "relu", launch };
