/* class_attention on CUDA. */
#include "../cuda/attention.h"

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *q = &c->in[0].type, *kv = &c->in[1].type;
    ba_att a = {};
    a.H = bai_cuda_i(c, "heads"), a.Q = q->dim[1], a.T = kv->dim[1], a.d = q->dim[2] / a.H, a.E = c->out[2].type.dim[2];
    a.scale = (float)(1 / sqrt((double)a.d));
    a.q = ba_heads_of(&c->in[0], 0, 1), a.k = ba_heads_of(&c->in[1], 0, 2), a.v = ba_heads_of(&c->in[1], 1, 2), a.out = ba_heads_of(&c->out[0], 0, 1);
    a.lse = (float *)c->out[1].data, a.classes = (float *)c->out[2].data;
    return ba_att_run_forward(c, &a, q->dim[0], e);
}

BA_CUDA_OP(class_attention) = { "class_attention", launch };
