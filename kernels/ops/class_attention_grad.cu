/* class_attention_grad on CUDA. */
#include "../cuda/attention.h"

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)ba_type_count(in[2]) * 4; /* delta */
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *q = &c->in[0].type, *kv = &c->in[1].type;
    ba_att a = {};
    a.H = bai_cuda_i(c, "heads"), a.Q = q->dim[1], a.T = kv->dim[1], a.d = q->dim[2] / a.H;
    a.scale = (float)(1 / sqrt((double)a.d));
    a.q = ba_heads_of(&c->in[0], 0, 1), a.k = ba_heads_of(&c->in[1], 0, 2), a.v = ba_heads_of(&c->in[1], 1, 2);
    if (c->n_in > 3 && c->in[3].data)
        a.dout = ba_heads_of(&c->in[3], 0, 1);
    if (c->n_in > 4 && c->in[4].data) {
        a.dclass = (const float *)c->in[4].data;
        a.E = c->in[4].type.dim[2];
    }
    a.dq = ba_heads_of(&c->out[0], 0, 1);
    if (c->out[1].data)
        a.dk = ba_heads_of(&c->out[1], 0, 2), a.dv = ba_heads_of(&c->out[1], 1, 2);
    a.lse_in = (const float *)c->in[2].data, a.delta = (float *)c->scratch;
    return ba_att_run_backward(c, &a, q->dim[0], e);
}

BA_CUDA_OP(class_attention_grad) = { "class_attention_grad", launch, scratch };
