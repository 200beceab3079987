/* matmul on CUDA: strided batches by the library; where leading axes repeat in a way no stride says, a product each. */
#include "../cuda/each.h"

enum { MOST = 32768 }; /* products of a batch: in some versions the library refuses more than 65535 */

static int64_t leading(const ba_type *t) { return ba_type_count(t) / (t->dim[t->rank - 1] * t->dim[t->rank - 2]); }

/* Which product of t belongs to product i of y. */
static int64_t partner(const ba_type *y, const ba_type *t, int64_t i)
{
    int64_t at = 0, size = 1;
    for (int a = y->rank - 3; a >= 0; i /= y->dim[a--]) {
        int own = a - (y->rank - t->rank);
        if (own < 0)
            continue;
        at += t->dim[own] > 1 ? i % y->dim[a] * size : 0;
        size *= t->dim[own];
    }
    return at;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *a = &c->in[0].type, *b = &c->in[1].type, *y = &c->out[0].type;
    rt_gemm g = {};
    g.trans_a = (int)bai_cuda_i(c, "transpose_a"), g.trans_b = (int)bai_cuda_i(c, "transpose_b");
    g.type_a = g.type_b = a->dtype, g.type_c = y->dtype;
    g.m = y->dim[y->rank - 2], g.n = ba_type_last(y), g.k = a->dim[a->rank - (g.trans_a ? 2 : 1)];
    g.lda = ba_type_last(a), g.ldb = ba_type_last(b), g.ldc = g.n;
    g.alpha = 1;
    g.tf32 = c->tf32;
    g.stride_a = g.m * g.k, g.stride_b = g.k * g.n, g.stride_c = g.m * g.n;
    int64_t n = leading(y), bytes = ba_dtype_size(a->dtype);
    int whole_a = leading(a) == n, whole_b = leading(b) == n, one_a = leading(a) == 1, one_b = leading(b) == 1, plain = (whole_a || one_a) && (whole_b || one_b);
    if (plain && !whole_a)
        g.stride_a = 0;
    if (plain && !whole_b)
        g.stride_b = 0;
    int r = 0;
    for (int64_t i = 0; i < n && r >= 0; i += g.batch) {
        g.batch = plain ? ba_least(n - i, MOST) : 1;
        g.a = (const char *)c->in[0].data + partner(y, a, i) * g.m * g.k * bytes;
        g.b = (const char *)c->in[1].data + partner(y, b, i) * g.k * g.n * bytes;
        g.c = (char *)c->out[0].data + i * g.m * g.n * ba_dtype_size(y->dtype);
        r = rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
    }
    return r < 0 ? r : BA_OK;
}

BA_CUDA_OP(matmul) = { "matmul", launch };
