/* broadcast_to on CUDA. */
#include "../cuda/each.h"

struct f_broadcast_to { __device__ float operator()(const float *x) const { return x[0]; } };
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_each_run<1>(c, f_broadcast_to()); }

BA_CUDA_OP(broadcast_to) = { "broadcast_to", launch };
