/* sum on CUDA. */
#include "../cuda/reduce.h"

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)n_in, (void)out;
    return ba_reduce_scratch(in[0], ba_reduce_axes(bai_cuda_param_i(op, params, "axis"), in[0]));
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    return ba_reduce_run(c, ba_reduce_axes(bai_cuda_i(c, "axis"), x), 0, 1);
}

BA_CUDA_OP(sum) = { "sum", launch, scratch };
