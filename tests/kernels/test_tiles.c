/* test_tiles: bf16 products on tiles at every border of their blocks, against sums in double. On the emulated tiles, on pairs in AVX-512's registers, and on the
 * processor's tiles, where it has them; the latter then have to give the emulation's bits where nothing but products is computed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../core/graph/ops.h"
#include "../../kernels/shared/tile.h"
#include "../check.h"
#include "case.h"

static uint64_t seed;
enum { EMULATED, TILES, PAIRS, KINDS };
static const char *const tier[KINDS] = { "tiles", "amx", "avx512bf16" };
static ba_device *device[KINDS][2]; /* [..][one thread, two]; NULL: the processor has none */

static const char *const names[] = { "a", "b", "c", "d" };

static ba_program *program_of(ba_device *d, const op_case *c, ba_err *e)
{
    ba_tensor *x[4] = { 0 };
    ba_attr attr[8];
    ba_graph *g = ba_graph_new(d, 1, e);
    for (int i = 0; g && i < c->n_in; i++)
        x[i] = ba_input(g, names[i], c->in[i].dtype, c->in[i].rank, c->in[i].dim, e);
    ba_tensor *y = ba_op_apply(g, c->op->name, c->n_in, x, case_attrs(c, attr, 8), attr, e);
    ba_program *p = y && !ba_fetch(g, "y", y, e) ? ba_compile(g, e) : NULL;
    ba_graph_free(g);
    return p;
}

/* Output 0 of an operation, raw; 0 or -1. */
static int output(ba_device *d, const op_case *c, void *y)
{
    ba_err e = { 0 };
    ba_program *p = program_of(d, c, &e);
    for (int i = 0; p && i < c->n_in; i++) {
        void *raw = malloc((size_t)case_bytes(&c->in[i]));
        case_store(c->x[i], ba_type_count(&c->in[i]), c->in[i].dtype, raw);
        ba_program_feed(p, names[i], raw, case_bytes(&c->in[i]), &e);
        free(raw);
    }
    int ok = p && !e.code && !ba_program_run(p, &e) && !ba_program_read(p, "y", y, case_bytes(&c->out[0]), &e);
    CHECK(ok, "%s: %s", c->op->name, e.msg);
    ba_program_free(p);
    return ok ? 0 : -1;
}

/* All numbers together, as lengths of vectors, within `bound`; and, unless `sized` is 0, each one within what rounding does (half of the last bit), where
 * terms cancel relative to `sized`. */
static void close_enough(const op_case *c, const void *y, const char *what, double bound, double sized)
{
    const double last = c->out[0].dtype == BA_BF16 ? 0x1p-8 + 1e-5 : 1e-5;
    int64_t n = ba_type_count(&c->out[0]), off = 0;
    double length = 0, apart = 0, *got = malloc((size_t)n * sizeof *got);
    case_load(y, n, c->out[0].dtype, got);
    for (int64_t i = 0; i < n; i++) {
        double d = got[i] - c->y[0][i];
        off += sized > 0 && !(fabs(d) <= last * (fabs(c->y[0][i]) + sized));
        apart += d * d;
        length += c->y[0][i] * c->y[0][i];
    }
    if (n < 1024) /* too few for an average */
        bound *= 2;
    CHECK(sqrt(apart) <= bound * sqrt(length) && !off, "%s {%s}, %s: off by %.3g of the length, %lld of %lld numbers by more than rounding", c->op->name,
          c->sample->attrs, what, sqrt(apart / length), (long long)off, (long long)n);
    free(got);
}

static void one(const char *op, const ba_op_sample *s, double bound, double sized)
{
    op_case c;
    ba_err e = { 0 };
    int ok = !case_new(&c, bai_op_find(op), s, seed++, &e);
    CHECK(ok, "%s: %s", op, e.msg);
    if (ok) {
        size_t bytes = (size_t)case_bytes(&c.out[0]);
        char *y[KINDS] = { malloc(bytes), malloc(bytes), malloc(bytes) }, *z = malloc(bytes);
        int have[KINDS] = { 0 };
        for (int t = 0; t < KINDS; t++)
            if (device[t][0] && (have[t] = !output(device[t][0], &c, y[t]))) {
                close_enough(&c, y[t], tier[t], bound, sized);
                CHECK(!output(device[t][1], &c, z) && !memcmp(y[t], z, bytes), "%s {%s}, %s: other bits with two threads", op, s->attrs, tier[t]);
                CHECK(t != TILES || !have[EMULATED] || strstr(s->attrs, "gelu") || !sized || !memcmp(y[EMULATED], y[t], bytes), "%s {%s}: AMX gives other bits than its emulation", op, s->attrs);
            }
        for (int t = 0; t < KINDS; t++)
            free(y[t]);
        free(z);
    }
    case_free(&c);
}

static void product(int64_t M, int64_t N, int64_t K)
{
    static const char *const transposes[] = { "", "transpose_a=1", "transpose_b=1", "transpose_a=1,transpose_b=1" };
    const int way = (int)((M + N + K) % 4), ta = way & 1, tb = way >> 1;
    const double size = 0.1 * sqrt((double)K);
    one("linear", &(ba_op_sample){ "", 3, { { BA_BF16, 2, { M, K }, 0, -1, 1 }, { BA_BF16, 2, { N, K }, 0, -1, 1 }, { BA_F32, 1, { N }, 0, -1, 1 } } }, 2e-3, size);
    one("linear", &(ba_op_sample){ "gelu=1", 3, { { BA_BF16, 2, { M, K }, 0, -1, 1 }, { BA_BF16, 2, { N, K }, 0, -1, 1 }, { BA_F32, 1, { N }, 0, -1, 1 } } }, 2e-3, size);
    one("linear_dx", &(ba_op_sample){ "", 2, { { BA_BF16, 2, { M, K }, 0, -1, 1 }, { BA_BF16, 2, { K, N }, 0, -1, 1 } } }, 2e-3, size);
    one("linear_dw", &(ba_op_sample){ "", 2, { { BA_BF16, 2, { K, M }, 0, -1, 1 }, { BA_BF16, 2, { K, N }, 0, -1, 1 } } }, 2e-3, size);
    one("matmul", &(ba_op_sample){ transposes[way], 2, { { BA_BF16, 2, { ta ? K : M, ta ? M : K }, 0, -1, 1 },
        { BA_BF16, 2, { tb ? N : K, tb ? K : N }, 0, -1, 1 } } }, 2e-3, size);
}

static void attention(int64_t T, int64_t d)
{
    const double least = log((double)T) + 1;
    one("attention", &(ba_op_sample){ "heads=2", 1, { { BA_BF16, 3, { 2, T, 6 * d }, 0, -1, 1 } } }, 3e-3, 0);
    one("attention_grad", &(ba_op_sample){ "heads=2", 3, { { BA_BF16, 3, { 2, T, 6 * d }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, T }, 0, least, least + .5 },
        { BA_BF16, 3, { 2, T, 2 * d }, 0, -1, 1 } } }, 3e-3, 0);
}

/* Numbers that say which sum in which order it was: even and odd members apart, each rounded at every step; denormals are zero. */
static void semantics(void)
{
    static uint16_t a[16][32], b[16][32];
    static float c[16][16];
    const uint16_t one = 0x3f80, large = 0x4b80, tiny = 0x0001, small = 0x0d80, least = 0x1e80; /* 1, 2^24, a denormal, 2^-100, 2^-66 */
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 32; k++)
            b[i][k] = one;
    a[0][0] = large, a[0][1] = a[0][2] = a[0][3] = one;  /* even: 2^24 + 1 is 2^24; odd: 2 */
    a[1][0] = tiny;                                      /* zero before */
    a[2][5] = small, b[2][1] = b[2][3] = small;          /* 2^-200: zero after, in columns 0 and 1 */
    a[3][0] = least, a[3][1] = least;                    /* stays */
    c[4][7] = 1.5f, a[4][9] = 0xbf80;
    bai_tile_open();
    bai_tile_load(0, c, 64);
    bai_tile_load(1, a, 64);
    bai_tile_load(2, b, 64);
    bai_tile_dot(0, 1, 2);
    bai_tile_store(0, c, 64);
    bai_tile_close();
    CHECK(c[0][5] == 0x1p24f + 2, "%.9g", c[0][5]);
    CHECK(c[1][5] == 0, "%.9g", c[1][5]);
    CHECK(c[2][0] == 0 && c[2][1] == 0 && c[2][2] == 0x1p-100f, "%.9g %.9g %.9g", c[2][0], c[2][1], c[2][2]);
    CHECK(c[3][9] == 0x1p-65f, "%.9g", c[3][9]);
    CHECK(c[4][7] == 0.5f && c[4][8] == -1, "%.9g %.9g", c[4][7], c[4][8]);
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        bai_tile_zero(0);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status, "tiles that were released can be used");
}

/* fp32 to bf16, as the last thing a product does: to nearest, ties to even; what is not a number stays none. */
static void rounding(ba_device *d)
{
    static const struct { uint32_t from; uint16_t to; } want[] = {
        { 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 }, { 0x3f808001, 0x3f81 }, { 0x3f818000, 0x3f82 }, { 0x3f817fff, 0x3f81 }, { 0xbf808000, 0xbf80 },
        { 0xbf818000, 0xbf82 }, { 0x7f7fffff, 0x7f80 }, { 0x7f800000, 0x7f80 }, { 0xff800000, 0xff80 }, { 0x7f800001, 0x7fc0 }, { 0xffc12345, 0xffc1 },
        { 0x7fffffff, 0x7fff }, { 0x00800000, 0x0080 }, { 0x3fffffff, 0x4000 }, { 0x42f6e979, 0x42f7 }, { 0xc2f6e979, 0xc2f7 }, { 0x00000000, 0x0000 } };
    enum { N = sizeof want / sizeof *want };
    ba_err e = { 0 };
    const int64_t one[] = { 1, 1 }, column[] = { N, 1 }, n[] = { N };
    uint16_t nothing[N] = { 0 }, got[N];
    float bias[N];
    for (int i = 0; i < N; i++)
        memcpy(&bias[i], &want[i].from, 4);
    ba_graph *g = ba_graph_new(d, 1, &e);
    ba_tensor *in[] = { ba_input(g, "a", BA_BF16, 2, one, &e), ba_input(g, "b", BA_BF16, 2, column, &e), ba_input(g, "c", BA_F32, 1, n, &e) };
    ba_tensor *y = ba_op_apply(g, "linear", 3, in, 0, NULL, &e);
    ba_program *p = y && !ba_fetch(g, "y", y, &e) ? ba_compile(g, &e) : NULL;
    CHECK(p && !ba_program_feed(p, "a", nothing, 2, &e) && !ba_program_feed(p, "b", nothing, sizeof nothing, &e) && !ba_program_feed(p, "c", bias, sizeof bias, &e) &&
          !ba_program_run(p, &e) && !ba_program_read(p, "y", got, sizeof got, &e), "%s", e.msg);
    for (int i = 0; p && i < N; i++)
        CHECK(got[i] == want[i].to, "%08x became %04x, not %04x", want[i].from, got[i], want[i].to);
    ba_program_free(p);
    ba_graph_free(g);
}

int main(void)
{
    static const int64_t edge[] = { 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65 };
    enum { EDGES = sizeof edge / sizeof *edge };
    const char *given = getenv("BAUTA_SEED");
    ba_err e = { 0 };
    seed = given && *given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("seed %llu (BAUTA_SEED repeats it)\n", (unsigned long long)seed);
    for (int t = 0; t < KINDS; t++)
        for (int i = 0; i < 2; i++)
            if ((device[t][i] = ba_device_open("cpu", i + 1, tier[t], &e)))
                CHECK(ba_device_has(device[t][i], "bf16"), "%s has no bf16", tier[t]);
            else if (t == EMULATED || (i && device[t][0]))
                CHECK(0, "%s", e.msg);
            else if (!i)
                check_skip(tier[t], e.msg);
    semantics();
    check_group("tiles as the processor has them");
    for (int t = 0; t < KINDS; t++)
        if (device[t][0])
            rounding(device[t][0]);
    check_group("rounding");
    for (int i = 0; device[0][1] && i < EDGES; i++)
        for (int k = 0; k < EDGES; k++) {
            product(edge[i], edge[(3 * i + k) % EDGES], edge[k]); /* every pair of rows and depth, of columns and depth */
            product(edge[k], edge[i], edge[(i + 5 * k) % EDGES]);
        }
    check_group("borders of tiles");
    static const int64_t large[][3] = { { 1400, 20, 20 }, { 400, 290, 40 }, { 40, 130, 2100 }, { 33, 40, 600 } }; /* several tasks, groups of rows, bands */
    for (int i = 0; device[0][1] && i < 4; i++)
        product(large[i][0], large[i][1], large[i][2]);
    check_group("borders of tasks");
    for (int i = 0; device[0][1] && i < EDGES; i++)
        attention(edge[i], (const int64_t[]){ 8, 32, 33, 64 }[i % 4]);
    check_group("attention");
    return check_done();
}
