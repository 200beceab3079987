/* linear_fp8 on CUDA: x becomes codes in one pass, the product is the library's on E4M3 with both scales, and in bf16 the bias in its epilogue; the rest is as
 * ../cuda/linear.h says. Rows are filled up to a multiple of 16, as the library documents for every dimension: what the rows beyond hold is of no account, nobody reads
 * their products. */
#include "../cuda/fp8.h"
#include "../cuda/linear.h"

extern "C" {
#include "../cuda/runtime_fp8.h"
}

static int64_t padded(int64_t rows) { return (rows + 15) / 16 * 16; }

static int64_t round256(int64_t n) { return (n + 255) / 256 * 256; }

/* Where things lie in scratch: the codes of x, a bias in bf16, and the product where it has more rows than y. */
typedef struct rooms { int64_t rows, bias, product, all; } rooms;

static rooms rooms_of(const ba_type *x, int64_t N, int has_bias)
{
    rooms r = { padded(ba_type_rows(x)) };
    r.bias = round256(r.rows * ba_type_last(x));
    r.product = r.bias + (has_bias && x->dtype == BA_BF16 ? round256(N * 2) : 0);
    r.all = r.product + (r.rows > ba_type_rows(x) ? r.rows * N * (int64_t)ba_dtype_size(x->dtype) : 0);
    return r;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *x = &c->in[0].type;
    const int64_t M = ba_type_rows(x), N = ba_type_last(&c->out[0].type), K = ba_type_last(x), from = bai_cuda_i(c, "from");
    const int gelu = bai_cuda_i(c, "gelu") != 0;
    const float *bias = c->n_in > 4 && c->in[4].data ? (const float *)c->in[4].data + from : NULL;
    const rooms at = rooms_of(x, N, bias != NULL);
    char *room = (char *)c->scratch;
    void *y = c->out[0].data, *product = at.rows > M ? room + at.product : y;
    rt *r = bai_cuda_rt(c->cuda);
    rt_gemm_fp8 all = {};
    rt_gemm &g = all.g;
    if (!rt_has_fp8(r))
        return ba_fail(e, BA_EMACHINE, "this device multiplies no FP8; compute capability 8.9 or later is needed");
    g.trans_b = 1;
    g.type_a = g.type_b = BA_U8;
    g.type_c = x->dtype;
    g.m = at.rows, g.n = N, g.k = K, g.lda = K, g.ldb = K, g.ldc = N, g.batch = 1;
    g.alpha = 1;
    g.a = room;
    g.b = (const uint8_t *)c->in[1].data + from * K;
    g.c = product;
    all.scale_a = (const float *)c->in[2].data;
    all.scale_b = (const float *)c->in[3].data;
    ba_quantise_all(c, &c->in[0], all.scale_a, (uint8_t *)room, M * K);
    if (bias && x->dtype == BA_BF16)
        g.bias = ba_bias_halves(c, bias, room + at.bias, N);
    int left = rt_gemm_fp8_run(r, &all, e);
    if (left < 0)
        return left;
    if (g.bias && !left)
        bias = NULL;
    if (gelu || bias || product != y)
        ba_linear_end(c, x->dtype, product, bias, NULL, y, M, N, gelu);
    return BA_OK;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params;
    return (size_t)rooms_of(in[0], ba_type_last(&out[0]), n_in > 4 && in[4]).all;
}

BA_CUDA_OP(linear_fp8) = { "linear_fp8", launch, scratch };
