/* slice on CUDA. */
#include "../cuda/move.h"

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type, *y = &c->out[0].type;
    int a = ba_axis(c, x);
    ba_slab s = { c->out[0].data, c->in[0].data, ba_before(x, a), y->dim[a], ba_behind(x, a), y->dim[a], 0, x->dim[a], bai_cuda_i(c, "from"), 0 };
    return ba_slab_run(c, s);
}

BA_CUDA_OP(slice) = { "slice", launch };
