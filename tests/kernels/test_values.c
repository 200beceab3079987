/* test_values: operations at values worked out by hand or published: edges of the number range, ties, NaN, wrong indices,
 * the resizing of score maps, the random generator, and rows that are cut before they are computed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "../reference/golden_e4m3.h"
#include "bauta/op.h"
#include "bauta/rng.h"

typedef struct fed { int dtype, rank; int64_t dim[BA_MAX_RANK]; const void *data; } fed;

static ba_device *device;

/* Output 0 of an operation as doubles in out (of `room`); the count, or the error's code. */
static int64_t apply(const char *op, int n_in, const fed *in, int n_attr, const ba_attr *attr, double *out, int64_t room, ba_err *e)
{
    ba_tensor *x[8] = { 0 };
    char name[16];
    *e = (ba_err){ 0 };
    ba_graph *g = ba_graph_new(device, 7, e);
    for (int i = 0; g && i < n_in; i++) {
        snprintf(name, sizeof name, "x%d", i);
        x[i] = ba_input(g, name, in[i].dtype, in[i].rank, in[i].dim, e);
    }
    ba_tensor *y = ba_op_apply(g, op, n_in, x, n_attr, attr, e);
    ba_type t;
    ba_program *p = y && !ba_fetch(g, "y", y, e) ? ba_compile(g, e) : NULL;
    for (int i = 0; p && i < n_in && !e->code; i++) {
        ba_tensor_type(x[i], &t, e);
        snprintf(name, sizeof name, "x%d", i);
        ba_program_feed(p, name, in[i].data, ba_type_count(&t) * ba_dtype_size(t.dtype), e);
    }
    int64_t n = 0;
    if (p && !e->code && !ba_program_run(p, e) && !ba_program_type(p, "y", &t, e) && (n = ba_type_count(&t)) <= room) {
        float raw[n];
        ba_program_read(p, "y", raw, n * ba_dtype_size(t.dtype), e);
        for (int64_t i = 0; i < n; i++)
            out[i] = t.dtype == BA_I32 ? ((int32_t *)raw)[i] : t.dtype == BA_U8 ? ((uint8_t *)raw)[i] : raw[i];
    }
    ba_program_free(p);
    ba_graph_free(g);
    return e->code ? e->code : n;
}

static fed f32(int rank, int64_t a, int64_t b, const float *data) { return (fed){ BA_F32, rank, { a, b, 1, 1, 1 }, data }; }

static void expect(const char *op, int n_in, const fed *in, int n_attr, const ba_attr *attr, int64_t n, const double *want, double tolerance)
{
    double y[600] = { 0 };
    ba_err e;
    int64_t got = apply(op, n_in, in, n_attr, attr, y, 600, &e);
    CHECK(got == n, "%s gives %lld values, %lld expected: %s", op, (long long)got, (long long)n, e.msg);
    for (int64_t i = 0; i < n && got == n; i++) {
        int ok = want[i] != want[i] ? y[i] != y[i] : y[i] == want[i] || fabs(y[i] - want[i]) <= tolerance * (1 + fabs(want[i]));
        CHECK(ok, "%s: element %lld is %.9g, %.9g expected", op, (long long)i, y[i], want[i]);
    }
}

static void refuse(const char *op, int n_in, const fed *in, int n_attr, const ba_attr *attr, int code, const char *sentence)
{
    double y[600];
    ba_err e;
    int64_t got = apply(op, n_in, in, n_attr, attr, y, 600, &e);
    CHECK(got == code && strstr(e.msg, sentence), "%s gives %lld, '%s'; %d, '%s' expected", op, (long long)got, e.msg, code, sentence);
}

static void edges(void)
{
    const float x[6] = { NAN, INFINITY, -INFINITY, 0, 100, -110 };
    const fed in = f32(1, 6, 1, x);
    expect("exp", 1, &in, 0, NULL, 6, (double[]){ NAN, INFINITY, 0, 1, INFINITY, 0 }, 1e-6);
    expect("sigmoid", 1, &in, 0, NULL, 6, (double[]){ NAN, 1, 0, 0.5, 1, 0 }, 1e-6);
    expect("tanh", 1, &in, 0, NULL, 6, (double[]){ NAN, 1, -1, 0, 1, -1 }, 1e-6);
    expect("relu", 1, &in, 0, NULL, 6, (double[]){ NAN, INFINITY, 0, 0, 100, 0 }, 0);
    const float l[5] = { NAN, 0, -1, INFINITY, 1 };
    expect("log", 1, (fed[]){ f32(1, 5, 1, l) }, 0, NULL, 5, (double[]){ NAN, -INFINITY, NAN, INFINITY, 0 }, 0);
    const float s[4] = { 88.5f, -100, 1e-7f, 88.8f };
    expect("exp", 1, (fed[]){ f32(1, 4, 1, s) }, 0, NULL, 4, (double[]){ exp(88.5), 0, exp(1e-7), INFINITY }, 1e-5);
    const float a[4] = { NAN, 1, 2, -1 }, b[4] = { 1, NAN, 2, 3 };
    const fed ab[2] = { f32(1, 4, 1, a), f32(1, 4, 1, b) };
    expect("maximum", 2, ab, 0, NULL, 4, (double[]){ NAN, NAN, 2, 3 }, 0);
    expect("minimum", 2, ab, 0, NULL, 4, (double[]){ NAN, NAN, 2, -1 }, 0);
    expect("less", 2, ab, 0, NULL, 4, (double[]){ 0, 0, 0, 1 }, 0);
    check_group("edges of the number range");
}

/* The fits behind the exact GELU, over all that they cover, their ends, and beyond. */
static void gelu(void)
{
    enum { N = 600 };
    float x[N], ones[N];
    double y[N], slope[N];
    for (int i = 0; i < N; i++) {
        x[i] = i < N - 4 ? -9 + 18 * (float)i / (N - 5) : (float[]){ NAN, INFINITY, 1000, -1000 }[i - N + 4];
        double v = (double)x[i], below = 0.5 * erfc(-v / sqrt(2));
        y[i] = v * below;
        slope[i] = below + (isinf(v) ? 0 : v * exp(-0.5 * v * v) / sqrt(2 * 3.14159265358979324));
        ones[i] = 1;
    }
    expect("gelu", 1, (fed[]){ f32(1, N, 1, x) }, 0, NULL, N, y, 8e-7); /* an error of 1.5e-7 in the factor, times x */
    expect("gelu_grad", 2, (fed[]){ f32(1, N, 1, ones), f32(1, N, 1, x) }, 0, NULL, N, slope, 4e-7);
    check_group("exact GELU");
}

static void rows(void)
{
    const float big[4] = { 1000, 1000, -INFINITY, -1000 }, bad[4] = { 0, NAN, 1, 2 };
    expect("softmax", 1, (fed[]){ f32(1, 4, 1, big) }, 0, NULL, 4, (double[]){ 0.5, 0.5, 0, 0 }, 1e-6);
    expect("softmax", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 4, (double[]){ NAN, NAN, NAN, NAN }, 0);
    expect("log_softmax", 1, (fed[]){ f32(1, 4, 1, big) }, 0, NULL, 4, (double[]){ -log(2), -log(2), -INFINITY, -2000 - log(2) }, 1e-6);
    expect("log_softmax", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 4, (double[]){ NAN, NAN, NAN, NAN }, 0);
    expect("sum", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 1, (double[]){ NAN }, 0);
    expect("max", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 1, (double[]){ NAN }, 0);
    expect("argmax", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 1, (double[]){ 1 }, 0);
    expect("argmax", 1, (fed[]){ f32(1, 4, 1, big) }, 0, NULL, 1, (double[]){ 0 }, 0);
    expect("normalise", 1, (fed[]){ f32(1, 4, 1, (float[]){ 0, 0, 0, 0 }) }, 0, NULL, 4, (double[]){ 0, 0, 0, 0 }, 0);
    expect("normalise", 1, (fed[]){ f32(1, 2, 1, (float[]){ 3, -4 }) }, 0, NULL, 2, (double[]){ 0.6, -0.8 }, 1e-7);
    /* 2^24 ones: a sum kept in one float would stop there */
    int64_t n = (INT64_C(1) << 24) + 64;
    float *ones = malloc((size_t)n * sizeof *ones);
    for (int64_t i = 0; ones && i < n; i++)
        ones[i] = 1;
    if (ones)
        expect("sum", 1, (fed[]){ f32(1, n, 1, ones) }, 0, NULL, 1, (double[]){ (double)n }, 0);
    else
        check_skip("sum of 2^24 numbers", "no memory");
    free(ones);
    check_group("rows and sums");
}

static void maps(void)
{
    const float x[4] = { .1f, .4f, .2f, .3f }, s[9] = { .05f, .10f, .15f, .20f, .25f, .05f, .10f, .04f, .06f };
    const fed in = f32(2, 1, 4, x);
    const ba_attr up[] = { BA_I("rows", 2), BA_I("columns", 2), BA_I("to_rows", 4), BA_I("to_columns", 4), BA_I("corners", 1) };
    expect("resize", 1, &in, 4, up, 16, (double[]){ .1, .175, .325, .4, .125, .1875, .3125, .375, .175, .2125, .2875, .325, .2, .225, .275, .3 }, 1e-7);
    const double corners[16] = { .1, .2, .3, .4, .133333, .211111, .288889, .366667, .166667, .222222, .277778, .333333, .2, .233333, .266667, .3 };
    expect("resize", 1, &in, 5, up, 16, corners, 1e-6);
    expect("resize", 1, (fed[]){ f32(2, 1, 9, s) }, BA_ATTRS(BA_I("rows", 3), BA_I("columns", 3), BA_I("to_rows", 2), BA_I("to_columns", 2)), 4,
           (double[]){ .1, .128125, .116875, .06625 }, 1e-7);
    refuse("resize", 1, &in, BA_ATTRS(BA_I("rows", 3), BA_I("columns", 2)), BA_EARG, "resize: x is f32[1,4]; real [B,6] expected for a map of 3 rows and 2 columns");
    check_group("score maps on other grids");
}

static void indices(void)
{
    const float x[6] = { 1, 2, 3, 4, 5, 6 };
    const int32_t good[4] = { 2, 0, 1, 1 }, high[4] = { 0, 1, 3, 0 }, low[4] = { 0, -1, 0, 0 };
    fed in[2] = { f32(2, 2, 3, x), { BA_I32, 2, { 2, 2, 1, 1, 1 }, good } };
    expect("gather_rows", 2, in, 0, NULL, 4, (double[]){ 3, 1, 5, 5 }, 0);
    in[1].data = high;
    refuse("gather_rows", 2, in, 0, NULL, BA_EDATA, "gather_rows: index 3 at element 2; 0 to 2 expected");
    in[1].data = low;
    refuse("gather_rows", 2, in, 0, NULL, BA_EDATA, "gather_rows: index -1 at element 1; 0 to 2 expected");
    fed back[2] = { f32(2, 2, 2, x), { BA_I32, 2, { 2, 2, 1, 1, 1 }, good } };
    expect("scatter_rows", 2, back, BA_ATTRS(BA_I("size", 3)), 6, (double[]){ 2, 0, 1, 0, 7, 0 }, 0);
    refuse("scatter_rows", 2, back, BA_ATTRS(BA_I("size", 2)), BA_EDATA, "scatter_rows: index 2 at element 0; 0 to 1 expected");
    const fed labels = { BA_I32, 1, { 2, 1, 1, 1, 1 }, good };
    expect("one_hot", 1, &labels, BA_ATTRS(BA_I("classes", 3)), 6, (double[]){ 0, 0, 1, 1, 0, 0 }, 0);
    refuse("one_hot", 1, &labels, BA_ATTRS(BA_I("classes", 2)), BA_EDATA, "one_hot: index 2 at element 0; 0 to 1 expected");
    const fed kept = { BA_I32, 2, { 2, 1, 1, 1, 1 }, good }, picture = { BA_F32, 4, { 2, 1, 2, 1, 1 }, x }, one = f32(1, 1, 1, x), token = { BA_F32, 3, { 2, 1, 1, 1, 1 }, x };
    refuse("patches", 4, (fed[]){ picture, { BA_F32, 1, { 1, 1, 1, 1, 1 }, x }, { BA_F32, 1, { 1, 1, 1, 1, 1 }, x }, kept }, BA_ATTRS(BA_I("patch", 1)), BA_EDATA,
           "patches: index 2 at element 0; 0 to 1 expected");
    refuse("tokens", 4, (fed[]){ token, one, f32(3, 2, 1, x), kept }, BA_ATTRS(BA_I("patches", 2)), BA_EDATA, "tokens: index 2 at element 0; 0 to 1 expected");
    refuse("tokens_grad", 4, (fed[]){ { BA_F32, 3, { 2, 2, 1, 1, 1 }, x }, one, f32(3, 2, 1, x), kept }, BA_ATTRS(BA_I("patches", 2)), BA_EDATA,
           "tokens_grad: index 2 at element 0; 0 to 1 expected");
    refuse("correct", 2, (fed[]){ f32(2, 2, 2, x), labels }, BA_ATTRS(BA_I("top", 1)), BA_EDATA, "label 2 of image 0; the model has classes 0 to 1");
    refuse("cross_entropy", 2, (fed[]){ f32(2, 2, 2, x), labels }, 0, NULL, BA_EDATA, "label 2 of image 0; the model has classes 0 to 1");
    check_group("indices");
}

/* Operations whose results are places have none for a NaN. */
static void places_of_nan(void)
{
    const float x[8] = { 1, 2, 3, 4, 5, NAN, 7, 8 }, w[4] = { 1, 1, NAN, 1 };
    const fed keys = { BA_F32, 3, { 1, 4, 2, 1, 1 }, x };
    fed both[2] = { keys, f32(2, 1, 4, w) };
    refuse("topk", 1, (fed[]){ f32(2, 2, 4, x) }, BA_ATTRS(BA_I("keep", 2)), BA_ENUMERIC, "score of patch 1 of image 1 is NaN");
    refuse("tome_match", 1, &keys, BA_ATTRS(BA_I("r", 1), BA_I("prefix", 1)), BA_ENUMERIC, "tome_match: a key of token 2 of image 0 is NaN");
    refuse("farthest", 2, both, 0, NULL, BA_ENUMERIC, "farthest: a token of image 0 is NaN");
    both[0].data = (float[8]){ 0 };
    refuse("farthest", 2, both, 0, NULL, BA_ENUMERIC, "farthest: a weight of image 0 is NaN");
    check_group("places of NaN");
}

static void random_numbers(void)
{
    const int32_t step = 3;
    const fed in = { BA_I32, 0, { 1, 1, 1, 1, 1 }, &step };
    double want[10];
    for (int i = 0; i < 10; i++)
        want[i] = ba_random_uniform(7, ba_stream("mask"), 3, (uint64_t)i);
    expect("uniform", 1, &in, BA_ATTRS(BA_S("shape", "2,5"), BA_S("stream", "mask")), 10, want, 0);
    /* the generator's published test vectors */
    ba_philox z = ba_philox4x32(0, 0, 0, 0), f = ba_philox4x32(UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX);
    CHECK(z.x[0] == 0x6627e8d5 && z.x[1] == 0xe169c58d && z.x[2] == 0xbc57ac4c && z.x[3] == 0x9b00dbd8, "philox of zeros: %08x %08x %08x %08x", z.x[0], z.x[1], z.x[2], z.x[3]);
    CHECK(f.x[0] == 0x408f276d && f.x[1] == 0x41c83b0e && f.x[2] == 0xa20bc7c6 && f.x[3] == 0x6d5451fd, "philox of ones: %08x %08x %08x %08x", f.x[0], f.x[1], f.x[2], f.x[3]);
    refuse("uniform", 1, &in, BA_ATTRS(BA_S("shape", "2,5")), BA_EARG, "uniform: the stream needs a name");
    check_group("random numbers");
}

static void sentences(void)
{
    const float x[6] = { 0 };
    const fed a = f32(2, 2, 3, x), two[2] = { f32(2, 2, 3, x), f32(1, 2, 1, x) };
    refuse("add", 2, two, 0, NULL, BA_EARG, "add: shapes f32[2,3] and f32[2] do not match; counted from the last, axes must be equal or 1");
    refuse("reshape", 1, &a, BA_ATTRS(BA_S("shape", "4,-1")), BA_EARG, "reshape: f32[2,3] has 6 elements, shape '4,-1' does not");
    refuse("reshape", 1, &a, BA_ATTRS(BA_S("shape", "2,x")), BA_EARG, "reshape: shape '2,x'; up to 5 whole numbers expected, as in '2,-1'");
    refuse("permute", 1, &a, BA_ATTRS(BA_S("order", "0,0")), BA_EARG, "permute: order '0,0' of f32[2,3]; each of its 2 axes once expected, as in '0,2,1'");
    refuse("slice", 1, &a, BA_ATTRS(BA_I("axis", 1), BA_I("from", 2), BA_I("to", 4)), BA_EARG, "slice: 2 to 4 of axis 1 of f32[2,3]; 0 <= from < to <= 3 expected");
    refuse("sum", 1, &a, BA_ATTRS(BA_I("axis", 2)), BA_EARG, "sum: axis 2 of f32[2,3]; -2 to 1 expected");
    refuse("matmul", 2, (fed[]){ a, a }, 0, NULL, BA_EARG, "matmul: a is f32[2,3] and b f32[2,3]; 3 and 2 are summed over and must be equal");
    refuse("concat", 2, two, 0, NULL, BA_EARG, "concat: input 1 is f32[2] and input 0 f32[2,3]; they may differ in axis 0 only");
    refuse("broadcast_to", 1, &a, BA_ATTRS(BA_S("shape", "3,2")), BA_EARG, "broadcast_to: f32[2,3] cannot be repeated to f32[3,2]");
    check_group("sentences");
}

/* Reading three of 50 rows behind two element-wise operations must cost what three rows cost. */
static void cut_rows(void)
{
    ba_err e = { 0 };
    const int64_t dim[2] = { 50, 8 };
    float data[400], y[24];
    for (int i = 0; i < 400; i++)
        data[i] = (float)i / 100;
    ba_graph *g = ba_graph_new(device, 1, &e);
    ba_tensor *x = ba_input(g, "x", BA_F32, 2, dim, &e), *t = ba_op_apply(g, "gelu", 1, &x, 0, NULL, &e);
    t = ba_op_apply(g, "add", 2, (ba_tensor *[]){ t, x }, 0, NULL, &e);
    t = ba_op_apply(g, "slice", 1, &t, BA_ATTRS(BA_I("axis", 0), BA_I("from", 4), BA_I("to", 7)), &e);
    CHECK(t && !ba_fetch(g, "y", t, &e), "%s", e.msg);
    ba_program *p = ba_compile(g, &e);
    CHECK(p && !ba_program_feed(p, "x", data, sizeof data, &e) && !ba_program_run(p, &e) && !ba_program_read(p, "y", y, sizeof y, &e), "%s", e.msg);
    for (int i = 0; i < 24; i++) {
        double v = data[32 + i], want = v + 0.5 * v * (1 + erf(v / sqrt(2)));
        CHECK(fabs(y[i] - want) < 1e-5, "element %d is %.9g, %.9g expected", i, y[i], want);
    }
    ba_plan_row row = { .flops = 0 };
    double flops = 0;
    for (int64_t i = 0; p && i < ba_plan_rows(p); i++)
        flops += ba_plan_row_get(p, i, &row, &e) ? 0 : row.flops;
    CHECK(flops > 0 && flops <= 24 * 45, "%g operations counted for 24 numbers", flops);
    ba_program_free(p);
    ba_graph_free(g);
    check_group("rows cut before they are computed");
}

/* ---- FP8 ---- */
enum { E4M3 = 127, PACK = 16 };

/* y = x W^T in FP8, both scales 1. */
static void product(int64_t rows, const float *x, const uint8_t *w, const double *want)
{
    const float one = 1;
    const fed in[4] = { f32(2, 1, PACK, x), { BA_U8, 2, { rows, PACK, 1, 1, 1 }, w }, f32(0, 1, 1, &one), f32(0, 1, 1, &one) };
    expect("linear_fp8", 4, in, 0, NULL, rows, want, 0);
}

/* Each code as a weight times one, and each number, those half-way between two and their neighbours, as codes. */
static void numbers_of_fp8(void)
{
    float x[4 * E4M3] = { 1 };
    uint8_t w[256 * PACK] = { 0 };
    double want[4 * E4M3];
    for (int c = 0; c < 256; c++) {
        w[c * PACK] = (uint8_t)c;
        want[c] = c % 128 == E4M3 ? NAN : golden_e4m3_value[c % 128] * (c < 128 ? 1 : -1);
    }
    product(256, x, w, want);
    for (int sign = 1; sign >= -1; sign -= 2) {
        int n = 0;
        for (int c = 0; c < E4M3; c++) {
            const double here = golden_e4m3_value[c], middle = c + 1 < E4M3 ? (here + golden_e4m3_value[c + 1]) / 2 : here;
            const float near[4] = { (float)here, nextafterf((float)middle, 0), (float)middle, nextafterf((float)middle, 448) };
            const int code[4] = { c, c, c + 1 < E4M3 ? golden_e4m3_tie[c] : c, c + 1 < E4M3 ? c + 1 : c };
            for (int i = 0; i < 4; i++, n++) {
                x[n] = (float)sign * near[i];
                want[n] = code[i] + (sign < 0 ? 128 : 0);
            }
        }
        expect("quantise_fp8", 1, (fed[]){ f32(1, n, 1, x) }, 0, NULL, n, want, 0); /* the largest is 448: the scale is 1 */
    }
    check_group("all numbers of E4M3, and what lies between them");
}

/* What enters a product beyond 448 is 448; what is not finite stays seen. */
static void edges_of_fp8(void)
{
    float x[PACK] = { 448, 449, -463.9f, 464, 480, 1e30f, -1e30f, -448, 0x1p-10f, 0x1.8p-9f, 0x1.000002p-10f, -0x1p-9f, 0x1p-6f, 0.3f, 3e38f, 0 };
    const double want[PACK] = { 448, 448, -448, 448, 448, 448, -448, -448, 0, 0x1p-8, 0x1p-9, -0x1p-9, 0x1p-6, 0.3125, 448, 0 };
    uint8_t w[PACK * PACK] = { 0 };
    double nan[PACK];
    for (int i = 0; i < PACK; i++) {
        w[i * PACK + i] = 0x38; /* 1 */
        nan[i] = NAN;
    }
    product(PACK, x, w, want);
    x[3] = INFINITY;
    product(PACK, x, w, nan);
    x[3] = NAN;
    product(PACK, x, w, nan);
    const float bad[4] = { 1, NAN, -INFINITY, 2 };
    expect("quantise_fp8", 1, (fed[]){ f32(1, 4, 1, bad) }, 0, NULL, 4, (double[]){ 0, 0x7f, 0xff, 0 }, 0);
    const float one = 1;
    fed in[4] = { f32(2, 2, 8, x), { BA_U8, 2, { 16, 8, 1, 1, 1 }, w }, f32(0, 1, 1, &one), f32(0, 1, 1, &one) };
    refuse("linear_fp8", 4, in, 0, NULL, BA_EARG, "FP8 products need multiples of 16");
    in[0] = f32(2, 1, 16, x);
    in[1].dim[1] = 16;
    refuse("linear_fp8", 4, in, BA_ATTRS(BA_I("from", 8)), BA_EARG, "FP8 products need multiples of 16");
    in[1] = f32(2, 16, 16, x);
    refuse("linear_fp8", 4, in, 0, NULL, BA_EARG, "W [O,K] of u8 expected");
    check_group("FP8 beyond its range");
}

/* A gradient that would have to go through it is refused; one that need not is taken. */
static void frozen_fp8(void)
{
    ba_err e = { 0 };
    const int64_t dim[2] = { 2, PACK }, weight[2] = { PACK, PACK };
    ba_graph *g = ba_graph_new(device, 1, &e);
    ba_tensor *x = ba_input(g, "x", BA_F32, 2, dim, &e), *w = ba_input(g, "w", BA_U8, 2, weight, &e), *s = ba_scalar(g, 1, &e), *grad[1];
    ba_graph_place(g, "blocks.0.attn", &e);
    ba_tensor *y = ba_op_apply(g, "linear_fp8", 4, (ba_tensor *[]){ x, w, s, s }, 0, NULL, &e);
    ba_tensor *other = ba_input(g, "z", BA_F32, 2, dim, &e), *both = y ? ba_op_apply(g, "mul", 2, (ba_tensor *[]){ y, other }, 0, NULL, &e) : NULL;
    ba_tensor *loss = both ? ba_op_apply(g, "mean", 1, &both, BA_ATTRS(BA_I("axis", -100)), &e) : NULL;
    CHECK(loss && !ba_grad(g, loss, 1, &other, grad, &e) && grad[0], "%s", e.msg);
    CHECK(loss && ba_grad(g, loss, 1, &x, grad, &e) == BA_EARG && strstr(e.msg, "none goes through linear_fp8 (blocks.0.attn)"), "%s", e.msg);
    ba_graph_free(g);
    check_group("no gradient goes through FP8");
}

int main(void)
{
    ba_err e = { 0 };
    device = ba_device_open("cpu", 2, "auto", &e);
    CHECK(device, "%s", e.msg);
    if (!device)
        return check_done();
    edges();
    gelu();
    rows();
    maps();
    indices();
    places_of_nan();
    random_numbers();
    sentences();
    cut_rows();
    numbers_of_fp8();
    edges_of_fp8();
    frozen_fp8();
    ba_device_free(device);
    return check_done();
}
