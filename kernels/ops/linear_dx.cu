/* linear_dx on CUDA: a product by the library. */
#include "../cuda/each.h"

struct f_same { __device__ float operator()(const float *x) const { return x[0]; } };

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *d = &c->in[0].type, *w = &c->in[1].type;
    rt_gemm g = {};
    g.type_a = d->dtype, g.type_b = w->dtype, g.type_c = c->out[0].type.dtype;
    g.m = ba_type_rows(d), g.n = w->dim[1], g.k = ba_type_last(d), g.lda = g.k, g.ldb = g.n, g.ldc = g.n, g.batch = 1;
    g.alpha = 1;
    g.tf32 = c->tf32;
    g.a = c->in[0].data;
    g.b = (const char *)c->in[1].data + bai_cuda_i(c, "from") * w->dim[1] * ba_dtype_size(w->dtype);
    g.c = c->out[0].data;
    if (g.type_a == g.type_b)
        return rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
    ba_view wide = { *d, c->scratch }; /* the library wants both factors of one type: d is converted first */
    wide.type.dtype = w->dtype;
    bai_cuda_call cast = *c;
    cast.out = &wide;
    cast.n_in = 1;
    g.type_a = g.type_b;
    g.a = c->scratch;
    int r = ba_each_run<1>(&cast, f_same());
    return r ? r : rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return in[0]->dtype == in[1]->dtype ? 0 : (size_t)(ba_type_count(in[0]) * ba_dtype_size(in[1]->dtype));
}

BA_CUDA_OP(linear_dx) = { "linear_dx", launch, scratch };
