/* attention on CUDA: on tensor cores where they take it. */
#include "../cuda/attention_long.h"

template <int D> static void launch_width(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    if (ba_mma_holds(c, &c->in[0].type, a.H, 2))
        ba_mma_run_forward<D>(c, a, B);
    else
        ba_long_run_forward<D>(c, a, B);
}

static int launch_mma(const bai_cuda_call *c, int64_t heads)
{
    const ba_type *x = &c->in[0].type;
    ba_mma_att a = ba_mma_of(c, heads);
    a.out = (bf16 *)c->out[0].data, a.lse = (float *)c->out[1].data, a.classes = (float *)c->out[2].data;
    a.E = (int)c->out[2].type.dim[2];
    if (x->dim[2] / 3 / heads == 64)
        launch_width<64>(c, a, x->dim[0]);
    else
        launch_width<32>(c, a, x->dim[0]);
    return BA_OK;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *x = &c->in[0].type;
    if (ba_mma_takes(x, bai_cuda_i(c, "heads")))
        return launch_mma(c, bai_cuda_i(c, "heads"));
    ba_att a = {};
    a.H = bai_cuda_i(c, "heads"), a.Q = a.T = x->dim[1], a.d = x->dim[2] / 3 / a.H, a.E = c->out[2].type.dim[2];
    a.scale = (float)(1 / sqrt((double)a.d));
    a.q = ba_heads_of(&c->in[0], 0, 3), a.k = ba_heads_of(&c->in[0], 1, 3), a.v = ba_heads_of(&c->in[0], 2, 3), a.out = ba_heads_of(&c->out[0], 0, 1);
    a.lse = (float *)c->out[1].data, a.classes = (float *)c->out[2].data;
    return ba_att_run_forward(c, &a, x->dim[0], e);
}

BA_CUDA_OP(attention) = { "attention", launch };
