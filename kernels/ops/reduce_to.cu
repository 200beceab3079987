/* reduce_to on CUDA. */
#include "../cuda/reduce.h"

static unsigned axes_of(const ba_type *x, const ba_type *y)
{
    unsigned axes = 0;
    for (int a = 0; a < x->rank; a++) {
        int b = a - (x->rank - y->rank);
        axes |= (unsigned)(b < 0 || y->dim[b] != x->dim[a]) << a;
    }
    return axes;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in;
    return ba_reduce_scratch(in[0], axes_of(in[0], out));
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    return ba_reduce_run(c, axes_of(&c->in[0].type, &c->out[0].type), 0, 1);
}

BA_CUDA_OP(reduce_to) = { "reduce_to", launch, scratch };
