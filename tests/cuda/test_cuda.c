/* The CUDA device's host code on a pretended runtime (pretend.h): refusals at opening, copies that travel while work waits, recorded programs against
 * the CPU's results, faults in replayed steps, out of memory, the file of tuned products. */
#include "bauta/graph.h"
#include "bauta/recompute.h"
#include "../../core/graph/device.h"
#include "../check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ba_err err;

static ba_device *opened(void)
{
    ba_device *d = ba_device_open("pretend", 0, "auto", &err);
    CHECK(d, "%s", err.msg);
    return d;
}

/* ---- opening ---- */
static void refused(const char *name, const char *value, const char *says)
{
    setenv(name, value, 1);
    ba_device *d = ba_device_open("pretend", 0, "auto", &err);
    CHECK(!d && err.code == BA_EMACHINE && strstr(err.msg, says), "%s=%s: %s", name, value, d ? "opened" : err.msg);
    ba_device_free(d);
    unsetenv(name);
}

static void opening(void)
{
    refused("PRETEND_DRIVER", "0", "no driver");
    refused("PRETEND_DRIVER", "12080", "the driver is for CUDA 12.8; one for 13.0 or later is needed");
    refused("PRETEND_DEVICES", "0", "no device (no CUDA-capable device is detected)");
    refused("PRETEND_MAJOR", "7", "compute capability 7.0; 8.0 or later is needed");
    refused("PRETEND_MEMORY", "1000000", "no memory for cuBLASLt's workspace");
    check_group("a machine that will not do is refused in one line");
}

/* A device of compute capability 8.0 has everything but FP8, and says so when a graph asks for it. */
static void narrow(void)
{
    const int64_t x[2] = { 4, 32 }, w[2] = { 16, 32 };
    for (int major = 8; major <= 9; major++) {
        if (major == 8)
            setenv("PRETEND_MAJOR", "8", 1);
        ba_device *d = ba_device_open("pretend", 0, "auto", &err);
        unsetenv("PRETEND_MAJOR");
        ba_graph *g = d ? ba_graph_new(d, 1, &err) : NULL;
        ba_tensor *one = g ? ba_scalar(g, 1, &err) : NULL;
        ba_tensor *in[4] = { ba_input(g, "x", BA_F32, 2, x, &err), ba_input(g, "w", BA_U8, 2, w, &err), one, one };
        ba_fetch(g, "y", ba_op_apply(g, "linear_fp8", 4, in, 0, NULL, &err), &err);
        ba_program *p = ba_compile(g, &err);
        int r = p ? ba_program_run(p, &err) : BA_EBUG;
        CHECK(d && !ba_device_has(d, "host") && ba_device_has(d, "tf32"), "what it has");
        CHECK(d && p && ba_device_has(d, "fp8") == (major > 8), "compute capability %d.0: %s", major, err.msg);
        CHECK(major > 8 ? !r : r == BA_EMACHINE && strstr(err.msg, "linear_fp8: this device multiplies no FP8; compute capability 8.9"), "%s", r ? err.msg : "it ran");
        ba_program_free(p);
        ba_graph_free(g);
        ba_device_free(d);
    }
    check_group("FP8 where the device has it, and one line where not");
}

/* ---- copies ---- */
enum { BIG = 40000, LITTLE = 10 };

static void fill(float *x, int n, int seed)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)((seed * 7919 + i) % 10007);
}

static int holds(const ba_device *d, const float *at, int n, int seed)
{
    float *got = malloc((size_t)n * 4), *want = malloc((size_t)n * 4);
    fill(want, n, seed);
    int same = got && want && !d->ops->get(d->self, got, at, (size_t)n * 4, &err) && !memcmp(got, want, (size_t)n * 4);
    free(got);
    free(want);
    return same;
}

static void copies(void)
{
    ba_device *d = opened();
    if (!d)
        return;
    const bai_device_ops *o = d->ops;
    enum { MANY = 150 };
    float *big[MANY], *little[MANY], *host = malloc(BIG * 4);
    for (int i = 0; i < MANY; i++) {
        big[i] = o->alloc(d->self, BIG * 4, &err);
        little[i] = o->alloc(d->self, LITTLE * 4, &err);
        fill(host, BIG, i); /* the same host memory each time: it may change when put returns */
        CHECK(!o->put(d->self, big[i], host, BIG * 4, &err) && !o->put(d->self, little[i], host, LITTLE * 4, &err), "%s", err.msg);
    }
    memset(host, 0, BIG * 4);
    for (int i = 0; i < MANY; i++)
        CHECK(holds(d, big[i], BIG, i) && holds(d, little[i], LITTLE, i), "copy %d", i);
    for (int i = 0; i < 6; i++) { /* more than can be under way at once */
        fill(host, BIG, 1000 + i);
        CHECK(!o->send(d->self, big[i], host, BIG * 4, &err), "%s", err.msg);
    }
    CHECK(o->take(d->self, big[0], &err) == BA_EARG, "the oldest was given up for the newest");
    for (int i = 2; i < 6; i++)
        CHECK(!o->take(d->self, big[i], &err) && holds(d, big[i], BIG, 1000 + i), "sent %d", i);
    CHECK(holds(d, big[0], BIG, 0), "what was not taken was not written");
    fill(host, BIG, 77);
    CHECK(!o->send(d->self, big[7], host, BIG * 4, &err), "%s", err.msg);
    fill(host, BIG, 78);
    CHECK(!o->put(d->self, big[8], host, BIG * 4, &err) && holds(d, big[8], BIG, 78) && holds(d, big[7], BIG, 7), "a put between send and take");
    CHECK(!o->take(d->self, big[7], &err) && holds(d, big[7], BIG, 77) && o->take(d->self, big[7], &err) == BA_EARG, "taken once");
    CHECK(!o->send(d->self, big[9], host, BIG * 4, &err), "%s", err.msg);
    o->release(d->self, big[9]);
    CHECK(o->take(d->self, big[9], &err) == BA_EARG, "what was sent to a block goes with it");
    for (int i = 0; i < MANY; i++) {
        if (i != 9)
            o->release(d->self, big[i]);
        o->release(d->self, little[i]);
    }
    free(host);
    ba_device_free(d);
    check_group("copies arrive, in order, whatever the host does meanwhile");
}

/* ---- programs ---- */
enum { ROWS = 6, IN = 8, OUT = 10, LAYERS = 4, STEPS = 6 };

typedef struct outcome { float loss[STEPS], w[LAYERS][OUT * IN]; char where[256]; int code; } outcome;

static ba_tensor *op(ba_graph *g, const char *name, int n, ba_tensor **in, int n_attr, const ba_attr *attr)
{
    ba_tensor *t = ba_op_apply(g, name, n, in, n_attr, attr, &err);
    CHECK(t, "%s: %s", name, err.msg);
    return t;
}

/* loss = mean of (sum over the layers of gelu(x W + b))^2, its gradient, AdamW on every W. */
static ba_program *build(ba_device *d, ba_store *s, int precision)
{
    ba_graph *g = ba_graph_new(d, 1, &err);
    int64_t dim[2] = { ROWS, IN }, shape[2] = { OUT, IN };
    ba_graph_precision(g, precision, &err);
    ba_graph_role(g, "student", &err);
    ba_tensor *x = ba_input(g, "x", BA_F32, 2, dim, &err), *pick = ba_input(g, "pick", BA_I32, 2, (int64_t[]){ 1, 2 }, &err);
    ba_tensor *lr = ba_input(g, "lr", BA_F32, 0, NULL, &err), *step = ba_input(g, "step", BA_I32, 0, NULL, &err), *sum = NULL, *w[LAYERS], *dw[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        char name[2][16];
        snprintf(name[0], 16, "w%d", i);
        snprintf(name[1], 16, "b%d", i);
        CHECK(ba_store_add(s, name[0], 2, shape, BA_INIT_NORMAL, 0.5, 0, &err) >= 0 && ba_store_add(s, name[1], 1, shape, BA_INIT_NORMAL, 0.5, 0, &err) >= 0, "%s", err.msg);
        w[i] = ba_variable(g, s, name[0], &err);
        ba_tensor *in[3] = { x, w[i], ba_variable(g, s, name[1], &err) };
        ba_tensor *y = op(g, "linear", 3, in, BA_ATTRS(BA_I("gelu", i % 2)));
        sum = sum ? op(g, "add", 2, (ba_tensor *[]){ sum, y }, 0, NULL) : y;
    }
    ba_tensor *cut = ba_op_apply(g, "reshape", 1, &sum, BA_ATTRS(BA_S("shape", "1,6,10")), &err);
    cut = op(g, "gather_rows", 2, (ba_tensor *[]){ cut, pick }, 0, NULL);
    ba_tensor *all = op(g, "mean", 1, (ba_tensor *[]){ op(g, "square", 1, &sum, 0, NULL) }, BA_ATTRS(BA_I("axis", -100)));
    ba_tensor *some = op(g, "mean", 1, &cut, BA_ATTRS(BA_I("axis", -100)));
    ba_tensor *loss = op(g, "add", 2, (ba_tensor *[]){ all, some }, 0, NULL);
    CHECK(!ba_grad(g, loss, LAYERS, w, dw, &err), "%s", err.msg);
    ba_graph_role(g, "optimiser", &err);
    for (int i = 0; i < LAYERS; i++) {
        char name[2][16];
        snprintf(name[0], 16, "m%d", i);
        snprintf(name[1], 16, "v%d", i);
        CHECK(ba_store_add(s, name[0], 2, shape, BA_INIT_ZERO, 0, 0, &err) >= 0 && ba_store_add(s, name[1], 2, shape, BA_INIT_ZERO, 0, 0, &err) >= 0, "%s", err.msg);
        ba_tensor *in[6] = { w[i], dw[i], ba_variable(g, s, name[0], &err), ba_variable(g, s, name[1], &err), lr, step };
        op(g, "adamw", 6, in, BA_ATTRS(BA_F("weight_decay", 0.1 * i)));
    }
    ba_fetch(g, "loss", loss, &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p, "%s", err.msg);
    ba_graph_free(g);
    return p;
}

static void feed(ba_program *p, int i, int bad, int ahead)
{
    float x[ROWS * IN], lr = 0.01f;
    int32_t step = i + 1, pick[2] = { i % ROWS, bad ? 99 : 5 - i % ROWS };
    for (int k = 0; k < ROWS * IN; k++)
        x[k] = (float)((k * 37 + i * 11) % 19) / 19 - 0.5f;
    if (ahead)
        CHECK(!ba_program_send(p, "x", x, sizeof x, &err) && !ba_program_take(p, "x", &err) && ba_program_take(p, "x", &err) == BA_EARG, "%s", err.msg);
    else
        CHECK(!ba_program_feed(p, "x", x, sizeof x, &err), "%s", err.msg);
    CHECK(!ba_program_feed(p, "lr", &lr, 4, &err) && !ba_program_feed(p, "step", &step, 4, &err) && !ba_program_feed(p, "pick", pick, 8, &err), "%s", err.msg);
}

static void train(const char *device, int precision, int bad_step, outcome *o)
{
    memset(o, 0, sizeof *o);
    ba_device *d = ba_device_open(device, 1, "auto", &err);
    CHECK(d, "%s", err.msg);
    ba_store *s = d ? ba_store_new(d, 3, &err) : NULL;
    ba_program *p = s ? build(d, s, precision) : NULL;
    for (int i = 0; p && i < STEPS && !o->code; i++) {
        feed(p, i, i == bad_step, i % 2);
        o->code = ba_program_run(p, &err);
        o->code = o->code ? o->code : ba_program_read(p, "loss", &o->loss[i], 4, &err);
    }
    if (o->code)
        snprintf(o->where, sizeof o->where, "%.250s", err.msg);
    for (int i = 0; p && i < LAYERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        CHECK(!ba_store_read(s, ba_store_find(s, name), o->w[i], OUT * IN, &err), "%s", err.msg);
    }
    ba_program_free(p);
    ba_store_free(s);
    ba_device_free(d);
}

static void near(const outcome *a, const outcome *b, double tolerance, const char *what)
{
    CHECK(!a->code && !b->code, "%s: %s%s", what, a->where, b->where);
    for (int i = 0; i < STEPS; i++)
        CHECK(fabsf(a->loss[i] - b->loss[i]) <= tolerance * (1 + fabsf(b->loss[i])), "%s: loss of step %d: %g and %g", what, i, (double)a->loss[i], (double)b->loss[i]);
    for (int i = 0; i < LAYERS; i++)
        for (int k = 0; k < OUT * IN; k++)
            CHECK(fabsf(a->w[i][k] - b->w[i][k]) <= 30 * tolerance, "%s: weight %d of layer %d: %g and %g", what, k, i, (double)a->w[i][k], (double)b->w[i][k]);
}

static int differ(const outcome *a, const outcome *b) { return memcmp(a->loss, b->loss, sizeof a->loss) || memcmp(a->w, b->w, sizeof a->w); }

static void programs(void)
{
    static outcome cpu, cuda, again, careful, tf32, fault;
    train("cpu", BA_F32, -1, &cpu);
    train("pretend", BA_F32, -1, &cuda);
    near(&cuda, &cpu, 2e-6, "recorded and replayed");
    train("pretend", BA_F32, -1, &again);
    CHECK(!differ(&cuda, &again), "two runs agree to the bit");
    setenv("BAUTA_CUDA_WAIT", "1", 1);
    train("pretend", BA_F32, -1, &careful);
    unsetenv("BAUTA_CUDA_WAIT");
    CHECK(!differ(&cuda, &careful), "launch by launch: the same bits");
    train("pretend", BA_TF32, -1, &tf32);
    near(&tf32, &cpu, 2e-3, "tf32");
    CHECK(differ(&tf32, &cuda), "tf32 rounds");
    check_group("programs on the device do what they do on the CPU");
    for (int step = 0; step < 4; step += 3) {
        train("pretend", BA_F32, step, &fault);
        CHECK(fault.code == BA_EDATA && strstr(fault.where, "student: gather_rows") && strstr(fault.where, "an index is out of range"), "step %d: %s", step, fault.where);
    }
    setenv("PRETEND_NO_GRAPHS", "1", 1);
    train("pretend", BA_F32, -1, &fault);
    unsetenv("PRETEND_NO_GRAPHS");
    CHECK(fault.code == BA_EMACHINE && strstr(fault.where, "no memory for recording a step"), "%s", fault.where);
    check_group("what goes wrong names its operation, also in a replayed step");
}

/* ---- memory ---- */
/* Sixteen times tanh, in four blocks: computed again block by block it would need less. */
static void no_room_to_keep(ba_device *d)
{
    int64_t dim[1] = { 6000000 };
    ba_store *s = ba_store_new(d, 1, &err);
    ba_graph *g = ba_graph_new(d, 1, &err);
    ba_store_add(s, "w", 1, dim, BA_INIT_NORMAL, 1, 0, &err);
    ba_tensor *w = ba_variable(g, s, "w", &err), *x = w, *dw;
    for (int i = 0; i < 16; i++) {
        if (i % 4 == 0)
            ba_graph_block(g, BA_BLOCK_NEW, &err);
        x = op(g, "mul", 2, (ba_tensor *[]){ op(g, "tanh", 1, &x, 0, NULL), ba_input(g, (char[]){ 'a' + i, 0 }, BA_F32, 0, NULL, &err) }, 0, NULL);
    }
    ba_graph_block(g, 0, &err);
    CHECK(ba_grad(g, op(g, "mean", 1, &x, BA_ATTRS(BA_I("axis", -100))), 1, &w, &dw, &err) == BA_OK && ba_fetch(g, "dw", dw, &err) == BA_OK, "%s", err.msg);
    ba_program *p = ba_compile(g, &err);
    CHECK(!p && err.code == BA_EMACHINE && strstr(err.msg, "% of this batch would fit, or all of it in about 3 parts, and with recompute = \"blocks\" a step needs 0."), "%s", p ? "compiled" : err.msg);
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
}

static void no_room(void)
{
    setenv("PRETEND_MEMORY", "300000000", 1);
    ba_device *d = opened();
    int64_t dim[2] = { 6000, 5000 };
    ba_graph *g = ba_graph_new(d, 1, &err);
    ba_graph_role(g, "teacher", &err);
    ba_tensor *x = ba_input(g, "x", BA_F32, 2, dim, &err), *y = op(g, "square", 1, &x, 0, NULL);
    ba_graph_role(g, "student", &err);
    ba_fetch(g, "y", op(g, "add", 2, (ba_tensor *[]){ op(g, "exp", 1, &y, 0, NULL), y }, 0, NULL), &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(!p && err.code == BA_EMACHINE && strstr(err.msg, "teacher 0.1") && strstr(err.msg, "student 0.1") && strstr(err.msg, "% of this batch would fit, or all of it in about 2 parts"), "%s",
          p ? "compiled" : err.msg);
    CHECK(!strstr(err.msg, "recompute"), "%s", err.msg);
    ba_graph_free(g);
    no_room_to_keep(d);
    ba_device_free(d);
    unsetenv("PRETEND_MEMORY");
    check_group("no memory: one line says for whom, and what would fit");
}

/* Not all that is free is for arenas: an eighth, at most 512 MiB, is left for what comes after them. */
static void room_besides(void)
{
    setenv("PRETEND_MEMORY", "2000000000", 1);
    ba_device *d = opened();
    int64_t room = d->ops->room(d->self);
    CHECK(room > 1600000000 && room <= 2000000000 / 8 * 7, "an eighth: %lld", (long long)room);
    ba_device_free(d);
    setenv("PRETEND_MEMORY", "20000000000", 1);
    d = opened();
    room = d->ops->room(d->self);
    CHECK(room > 20000000000 - (700 << 20) && room <= 20000000000 - (512 << 20), "512 MiB: %lld", (long long)room);
    ba_device_free(d);
    unsetenv("PRETEND_MEMORY");
    check_group("some memory is left");
}

/* ---- tuned products ---- */
static char text[600];
static const char *described(void)
{
    ba_device *d = ba_device_open("pretend", 0, "auto", &err);
    snprintf(text, sizeof text, "%s", d ? ba_device_describe(d) : err.msg);
    ba_device_free(d);
    return text;
}

static void tuned(void)
{
    static outcome plain, first, second, gone;
    char folder[] = "/tmp/bauta-tuned-XXXXXX", file[300];
    CHECK(mkdtemp(folder), "a folder");
    setenv("XDG_CACHE_HOME", folder, 1);
    train("pretend", BA_F32, -1, &plain);
    CHECK(!strstr(described(), "tuned"), "%s", text);
    setenv("BAUTA_CUDA_TUNE", "1", 1);
    train("pretend", BA_F32, -1, &first);
    unsetenv("BAUTA_CUDA_TUNE");
    near(&first, &plain, 2e-6, "tuned");
    CHECK(strstr(described(), " tuned products ("), "%s", text);
    train("pretend", BA_F32, -1, &second);
    CHECK(!differ(&first, &second), "what was tuned once is taken again: the same bits");
    snprintf(file, sizeof file, "%s/bauta/products-Pretended-GPU--132-multiprocessors-130000", folder);
    FILE *f = fopen(file, "a");
    CHECK(f, "%s", file);
    if (f) {
        fputs("what is this\n", f);
        fclose(f);
    }
    CHECK(strstr(described(), "is not a tuned product; delete the file"), "%s", text);
    f = fopen(file, "w"); /* the key of a product with an algorithm the library does not take */
    if (f) {
        fputs("01 111 0 6x10x8 8 8 10 1 0 0 0 b- 16 : 1 2 3 4 5 6 7 8\n", f);
        fclose(f);
    }
    train("pretend", BA_F32, -1, &gone);
    CHECK(!differ(&gone, &plain), "an algorithm that the library does not take any more is left");
    unlink(file);
    snprintf(file, sizeof file, "rm -r '%s'", folder);
    CHECK(!system(file), "%s", file);
    check_group("tuned products: kept by GPU, library and product, taken again, judged");
}

int main(void)
{
    opening();
    narrow();
    copies();
    programs();
    no_room();
    room_besides();
    tuned();
    return check_done();
}
