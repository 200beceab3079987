/* attention_grad on CUDA: on tensor cores where they take it. */
#include "../cuda/attention_long.h"

template <int D> static void launch_width(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    if (ba_mma_holds(c, &c->in[0].type, a.H, 4))
        ba_mma_run_backward<D>(c, a, B);
    else
        ba_long_run_backward<D>(c, a, B);
}

static int launch_mma(const bai_cuda_call *c, int64_t heads)
{
    const ba_type *x = &c->in[0].type;
    ba_mma_att a = ba_mma_of(c, heads);
    a.lse_in = (const float *)c->in[1].data;
    a.dout = c->n_in > 2 ? (const bf16 *)c->in[2].data : NULL;
    a.dclass = c->n_in > 3 ? (const float *)c->in[3].data : NULL;
    a.E = a.dclass ? (int)c->in[3].type.dim[2] : 0;
    a.dqkv = (bf16 *)c->out[0].data, a.delta = (float *)c->scratch;
    if (x->dim[2] / 3 / heads == 64)
        launch_width<64>(c, a, x->dim[0]);
    else
        launch_width<32>(c, a, x->dim[0]);
    return BA_OK;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)ba_type_count(in[1]) * 4; /* delta */
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *x = &c->in[0].type;
    if (ba_mma_takes(x, bai_cuda_i(c, "heads")))
        return launch_mma(c, bai_cuda_i(c, "heads"));
    ba_att a = {};
    a.H = bai_cuda_i(c, "heads"), a.Q = a.T = x->dim[1], a.d = x->dim[2] / 3 / a.H;
    a.scale = (float)(1 / sqrt((double)a.d));
    a.q = ba_heads_of(&c->in[0], 0, 3), a.k = ba_heads_of(&c->in[0], 1, 3), a.v = ba_heads_of(&c->in[0], 2, 3);
    if (c->n_in > 2 && c->in[2].data)
        a.dout = ba_heads_of(&c->in[2], 0, 1);
    if (c->n_in > 3 && c->in[3].data) {
        a.dclass = (const float *)c->in[3].data;
        a.E = c->in[3].type.dim[2];
    }
    a.dq = ba_heads_of(&c->out[0], 0, 3), a.dk = ba_heads_of(&c->out[0], 1, 3), a.dv = ba_heads_of(&c->out[0], 2, 3);
    a.lse_in = (const float *)c->in[1].data, a.delta = (float *)c->scratch;
    return ba_att_run_backward(c, &a, x->dim[0], e);
}

BA_CUDA_OP(attention_grad) = { "attention_grad", launch, scratch };
