/* concat on CUDA: a copy for each input. */
#include "../cuda/move.h"

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *y = &c->out[0].type;
    int a = ba_axis(c, y);
    int64_t at = 0;
    for (int i = 0; i < c->n_in; i++) {
        const ba_type *x = &c->in[i].type;
        if (!c->in[i].data)
            continue;
        ba_slab s = { c->out[0].data, c->in[i].data, ba_before(x, a), x->dim[a], ba_behind(x, a), y->dim[a], at, x->dim[a], 0, 0 };
        ba_slab_run(c, s);
        at += x->dim[a];
    }
    return BA_OK;
}

BA_CUDA_OP(concat) = { "concat", launch };
