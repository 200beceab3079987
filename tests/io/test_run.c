/* test_run: the life of a run: new, logged, saved, finished, resumed, begun again; what each wrong call says; and that its
 * run.h5 is what h5dump and h5py make of it. */
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/run.h"
#include "bauta/system.h"
#include "help.h"

static char folder[400];

static const ba_field train[] = {
    { "epoch", BA_I64, 0, NULL, "whole epochs done" }, { "step", BA_I64, 0, NULL, "steps done" },
    { "train/loss", BA_F64, 0, "nats", "loss of the batch" }, { "lr", BA_F64, 0, NULL, "learning rate" },
};
static const ba_field mixed[] = { { "n", BA_I64, 0, NULL, NULL }, { "x", BA_F64, 0, "s", NULL }, { "t", BA_STR, 6, NULL,
    "text" } };

static ba_store *weights(double scale)
{
    ba_store *s = fake_store();
    int64_t dim[] = { 4, 5 };
    ba_store_add(s, "a.weight", 2, dim, 0, scale, 0, NULL);
    ba_store_add(s, "a.bias", 1, dim, 0, scale / 3, 0, NULL);
    return s;
}

static int save(ba_run *r, int64_t epoch, int64_t step, int best, ba_err *e)
{
    ba_store *s = weights(1.0 / (double)(step + 1));
    ba_part part = { "student", s };
    ba_attr v[] = { BA_I("seed", INT64_MIN), BA_F("best", 0.1 * (double)step), BA_S("script", "line 1\nline \"2\" \xc3\xa4"),
        BA_F("nan", NAN) };
    int bad = ba_run_checkpoint(r, epoch, step, best, 1, &part, 4, v, e);
    ba_store_free(s);
    return bad;
}

static void rows(ba_run *r, int64_t t, int64_t from, int64_t to)
{
    ba_err e = { 0 };
    for (int64_t i = from; i < to; i++) {
        double v[] = { (double)(i / 10), (double)i, 1.0 / (double)(i + 1), i == 7 ? NAN : 5e-4 };
        CHECK(!ba_run_row(r, t, v, 4, &e), "%s", e.msg);
    }
}

static int is(const char *name, const char *state)
{
    char path[600];
    ba_run_state s;
    ba_err e = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int bad = ba_run_state_read(path, &s, &e);
    if (bad || strcmp(s.state, state))
        printf("# %s: %s %s\n", name, bad ? e.msg : s.state, s.reason);
    return !bad && !strcmp(s.state, state);
}

static char *at(const char *name)
{
    static char path[4][600];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* ---- a life ---- */

static void test_life(void)
{
    ba_err e = { 0 };
    ba_run_state state;
    ba_run *r = ba_run_open(folder, "grid/cell/s0", BA_RUN_NEW, 1 << 20, &e);
    CHECK(r && !strcmp(ba_run_path(r), at("grid/cell/s0")) && !*ba_run_notice(r), "%s", e.msg);
    CHECK(file_size(at("grid/cell/s0/.reserve")) == 1 << 20, "reserve");
    int64_t t = ba_run_stream(r, "train", "one row a step", 4, train, &e), m = ba_run_stream(r, "mixed", NULL, 3, mixed, &e);
    CHECK(t >= 0 && m > t && ba_run_stream(r, "train", "one row a step", 4, train, &e) == t, "%s", e.msg);
    rows(r, t, 0, 25);
    ba_value v[] = { { .i = INT64_MAX }, { .f = -0.0 }, { .s = "abcde\xc3\xa4" } }, w[] = { { .i = -1 }, { .f = INFINITY },
        { .s = NULL } };
    CHECK(!ba_run_row_any(r, m, v, 3, &e) && !ba_run_row_any(r, m, w, 3, &e), "%s", e.msg);
    CHECK(!ba_run_document(r, "settings", "old", 3, &e) && !ba_run_document(r, "settings", "{\"keep\": 0.5}\n", 14, &e)
       && !ba_run_document(r, "script", "", 0, &e), "%s", e.msg);
    uint8_t pixels[6] = { 0, 1, 2, 253, 254, 255 };
    CHECK(!ba_run_image(r, "heat", 2, 3, pixels, &e) && !ba_run_image(r, "heat", 2, 3, pixels, &e), "%s", e.msg);
    CHECK(ba_run_tick(r, 2, 25, &e) == 0 && !ba_run_snapshot(r, &e) && !ba_run_sync(r, &e), "%s", e.msg);
    CHECK(!ba_run_state_read(ba_run_path(r), &state, &e) && !strcmp(state.state, "running") && state.alive && state.step == 25
        && state.pid == getpid(), "%s", e.msg);
    CHECK(!ba_run_finish(r, BA_RUN_COMPLETE, 0, NULL, &e), "%s", e.msg);
    CHECK(ba_run_finish(r, BA_RUN_FAILED, 1, NULL, &e) == BA_EARG && strstr(e.msg, "the run is finished"), "%s", e.msg);
    CHECK(ba_run_row(r, t, (double[]){ 1, 2, 3, 4 }, 4, &e) == BA_EARG, "%s", e.msg);
    ba_run_free(r);
    CHECK(!ba_run_state_read(at("grid/cell/s0"), &state, &e) && !strcmp(state.state, "complete") && !state.alive
        && state.epoch == 2, "%s", e.msg);
    CHECK(file_size(at("grid/cell/s0/.reserve")) == -1, "the reserve is given back");
    check_group("a run from beginning to end");
}

static void test_log(void)
{
    ba_err e = { 0 };
    double x[30];
    char text[20];
    const char *body;
    int64_t bytes;
    ba_field f;
    ba_log *l = ba_log_open(at("grid/cell/s0"), &e);
    CHECK(l && ba_log_streams(l) == 3 && !ba_log_damaged(l) && !ba_log_torn(l), "%s", e.msg);
    int64_t t = ba_log_find(l, "train"), m = ba_log_find(l, "mixed");
    CHECK(ba_log_rows(l, t) == 25 && ba_log_fields(l, t) == 4 && ba_log_rows(l, m) == 2 && ba_log_find(l, "x") == -1, "rows");
    CHECK(!ba_log_field(l, t, 2, &f, &e) && !strcmp(f.name, "train/loss") && f.type == BA_F64 && !strcmp(f.unit, "nats")
        && !strcmp(f.doc, "loss of the batch"), "%s", e.msg);
    CHECK(!ba_log_read(l, t, 1, 5, 20, x, &e) && x[0] == 5 && x[19] == 24, "%s", e.msg);
    CHECK(!ba_log_read(l, t, 3, 7, 1, x, &e) && isnan(x[0]) && !ba_log_read(l, t, 2, 3, 1, x, &e) && x[0] == 0.25, "%s", e.msg);
    CHECK(!ba_log_text(l, m, 2, 0, text, sizeof text, &e) && !strcmp(text, "abcde"), "cut at a character: '%s'", text);
    CHECK(!ba_log_text(l, m, 2, 0, text, 3, &e) && !strcmp(text, "ab") && !ba_log_text(l, m, 2, 1, text, 3, &e) && !*text,
        "'%s'", text);
    CHECK(ba_log_read(l, t, 0, 5, 21, x, &e) == BA_EARG && ba_log_read(l, t, 0, -1, 1, x, &e) == BA_EARG && ba_log_read(l, t,
        9, 0, 1, x, &e) == BA_EARG
       && ba_log_read(l, 9, 0, 0, 1, x, &e) == BA_EARG && ba_log_read(l, m, 2, 0, 1, x, &e) == BA_EARG && ba_log_text(l, m, 0,
           0, text, 9, &e) == BA_EARG
       && ba_log_read(l, t, 0, 0, INT64_MAX, x, &e) == BA_EARG && ba_log_text(l, m, 2, 2, text, 9, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_log_documents(l) == 2 && !strcmp(ba_log_document(l, 0, &body, &bytes), "settings") && bytes == 14 && !strcmp(body,
        "{\"keep\": 0.5}\n"), "documents");
    CHECK(!ba_log_document(l, 2, NULL, NULL) && !ba_log_stream(l, 3) && !strcmp(ba_log_stream(l, m), "mixed"), "out of range");
    CHECK(!ba_log_hdf5(l, at("again.h5"), &e) && file_size(at("again.h5")) > 1000, "%s", e.msg);
    ba_log_free(l);
    CHECK(!ba_log_open(at("nothing"), &e) && !ba_log_open(NULL, &e), "%s", e.msg);
    check_group("looking at it from outside");
}

static int shell(const char *format, const char *a)
{
    char command[2000];
    snprintf(command, sizeof command, format, a);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void test_readers(void)
{
    static const char script[] =
        "import h5py, numpy as np, sys\n"
        "f = h5py.File(sys.argv[1], 'r')\n"
        "t = f['train'][:]\n"
        "assert t.dtype.names == ('epoch', 'step', 'train/loss', 'lr'), t.dtype\n"
        "assert len(t) == 25 and list(t['step']) == list(range(25)) and t['train/loss'][3] == 0.25 and np.isnan(t['lr'][7])\n"
        "assert list(f['train'].attrs['units'])[2].decode() == 'nats' and f['train'].attrs['meaning'].decode() == 'one row a step'\n"
        "assert f['about/settings'][()].decode() == '{\"keep\": 0.5}\\n'\n"
        "assert f['mixed'][0]['t'].decode() == 'abcde' and f['mixed'][0]['n'] == 2**63 - 1\n"
        "assert f['images/heat'].shape == (2, 2, 3) and f['images/heat'][1, 1, 2] == 255\n";
    spill(at("read.py"), script, sizeof script - 1);
    if (shell("h5dump --version >/dev/null 2>&1", ""))
        check_skip("h5dump", "not installed");
    else {
        CHECK(!shell("h5dump -d /train '%s' 2>&1 | grep -q 'DATASPACE  SIMPLE { ( 25 ) / ( 25 ) }'",
            at("grid/cell/s0/run.h5")), "h5dump");
        CHECK(!shell("h5dump '%s' >/dev/null 2>&1", at("again.h5")), "h5dump of a file made from the journal");
    }
    const char *python = !shell("python3 -c 'import h5py' 2>/dev/null", "") ? "python3" : "/usr/bin/python3";
    char command[1500];
    snprintf(command, sizeof command, "%s -c 'import h5py' 2>/dev/null", python);
    if (shell("%s", command))
        check_skip("h5py", "not installed");
    else {
        snprintf(command, sizeof command, "%s '%s' '%s'", python, at("read.py"), at("grid/cell/s0/run.h5"));
        CHECK(!shell("%s", command), "h5py");
        snprintf(command, sizeof command, "%s '%s' '%s'", python, at("read.py"), at("again.h5"));
        CHECK(!shell("%s", command), "h5py, of a file made from the journal");
    }
    check_group("other programs read run.h5");
}

/* ---- modes ---- */

static void refuse(const char *name, int mode, int code, const char *line)
{
    ba_err e = { 0 };
    char want[600];
    ba_run *r = ba_run_open(folder, name, mode, 0, &e);
    snprintf(want, sizeof want, "%s/%s: %s", folder, name ? name : "", line);
    CHECK(!r && e.code == code && (!strcmp(e.msg, want) || !strcmp(e.msg, line)), "%d '%s'", e.code, e.msg);
    ba_run_free(r);
}

static void test_modes(void)
{
    ba_err e = { 0 };
    refuse("grid/cell/s0", BA_RUN_NEW, BA_ERESUME,
        "holds a run already (complete, epoch 2, step 25); continue it with --resume or begin again with --restart");
    refuse("grid/cell/s0", BA_RUN_RESUME, BA_ERESUME, "no complete checkpoint to resume from; begin again with --restart");
    refuse("fresh", BA_RUN_RESUME, BA_ERESUME, "holds no run to resume");
    refuse("../x", BA_RUN_NEW, BA_EARG, "run name '../x': letters, digits, . _ - in each part expected, no dot in front");
    refuse("/x", BA_RUN_NEW, BA_EARG, "run name '/x': parts of 1 to 63 characters expected");
    refuse("x/", BA_RUN_NEW, BA_EARG, "run name 'x/': parts of 1 to 63 characters expected");
    refuse("", BA_RUN_NEW, BA_EARG, "run name '': parts of 1 to 63 characters expected");
    refuse("a b", BA_RUN_NEW, BA_EARG, "run name 'a b': letters, digits, . _ - in each part expected, no dot in front");
    refuse("1/2/3/4/5/6/7/8/9", BA_RUN_NEW, BA_EARG, "run name '1/2/3/4/5/6/7/8/9': 9 parts; at most 8 expected");
    refuse("x", 3, BA_EARG, "run: mode 3 and a reserve of 0 bytes");
    refuse(NULL, 0, BA_EARG, "run: a folder and a name expected");
    spill(at("file"), "x", 1);
    refuse("file", BA_RUN_NEW, BA_EMACHINE, "Not a directory");
    CHECK(!ba_run_open("/proc", "x", BA_RUN_NEW, 0, &e) && e.code == BA_EMACHINE && strstr(e.msg, "/proc/x: "), "%s", e.msg);
    CHECK(!ba_run_open("/proc", "x", BA_RUN_NEW, 0, NULL), "no place for an error");
    CHECK(!ba_run_open(folder, "huge", BA_RUN_NEW, INT64_C(1) << 40, &e) && e.code == BA_EMACHINE && strstr(e.msg,
        "no room for the 1099511627776 bytes"), "%s", e.msg);
    check_group("modes and names");
}

static void test_bad_calls(void)
{
    ba_err e = { 0 };
    ba_run *r = ba_run_open(folder, "bad", BA_RUN_NEW, 0, &e);
    ba_field f[2] = { { "a", BA_F64, 0, NULL, NULL }, { "b", BA_I64, 0, NULL, NULL } }, same[2] = { f[0], f[0] };
    int64_t t = ba_run_stream(r, "t", "", 2, f, &e), text = ba_run_stream(r, "text", "", 3, mixed, &e);
#define BAD(call, line) do { \
        int64_t code_ = (call); \
        CHECK(code_ == BA_EARG && !strcmp(e.msg, line), "%lld '%s'", (long long)code_, e.msg); \
    } while (0)
    BAD(ba_run_stream(r, "a/b", "", 2, f, &e), "stream 'a/b': 1 to 63 letters, digits, _ - expected, and not about or images");
    BAD(ba_run_stream(r, "about", "", 2, f, &e),
        "stream 'about': 1 to 63 letters, digits, _ - expected, and not about or images");
    BAD(ba_run_stream(r, NULL, "", 2, f, &e), "stream '': 1 to 63 letters, digits, _ - expected, and not about or images");
    BAD(ba_run_stream(r, "u", "", 0, f, &e), "stream u: 0 columns; 1 to 256 expected");
    BAD(ba_run_stream(r, "u", "", 257, f, &e), "stream u: 257 columns; 1 to 256 expected");
    BAD(ba_run_stream(r, "u", "", 2, NULL, &e), "stream u: 2 columns; 1 to 256 expected");
    BAD(ba_run_stream(r, "u", "", 2, same, &e), "stream u: two columns 'a'");
    f[1].type = 9;
    BAD(ba_run_stream(r, "u", "", 2, f, &e), "stream u: column b: type 9; BA_I64, BA_F64 or BA_STR expected");
    f[1] = (ba_field){ "s", BA_STR, 0, NULL, NULL };
    BAD(ba_run_stream(r, "u", "", 2, f, &e), "stream u: column s: size 0; 1 to 4096 expected");
    f[1] = (ba_field){ "", BA_F64, 0, NULL, NULL };
    BAD(ba_run_stream(r, "u", "", 2, f, &e), "stream u: column 1: name '': 1 to 63 letters, digits, _ . / - expected");
    BAD(ba_run_row(r, t, (double[]){ 1 }, 1, &e), "row of t: 1 values given, it has 2 columns");
    BAD(ba_run_row(r, t, NULL, 2, &e), "row: stream 1 of 3, and values expected");
    BAD(ba_run_row(r, 7, (double[]){ 1 }, 1, &e), "row: stream 7 of 3, and values expected");
    BAD(ba_run_row(r, -1, (double[]){ 1 }, 1, &e), "row: stream -1 of 3, and values expected");
    BAD(ba_run_row(r, t, (double[]){ 1, 2.5 }, 2, &e), "row of t: column b: 2.5; a whole number expected");
    BAD(ba_run_row(r, t, (double[]){ 1, 1e17 }, 2, &e), "row of t: column b: 1e+17; a whole number expected");
    BAD(ba_run_row(r, text, (double[]){ 1, 1, 1 }, 3, &e), "row of text: column t: 1; a text expected");
    CHECK(ba_run_row(r, t, (double[]){ 1, NAN }, 2, &e) == BA_EARG && strstr(e.msg, "a whole number expected"), "%s", e.msg);
    BAD(ba_run_document(r, "a b", "", 0, &e), "document 'a b': 1 to 63 letters, digits, _ . - expected");
    BAD(ba_run_document(r, "a", NULL, 1, &e), "document a: 1 bytes; a text of at most 16777152 expected");
    BAD(ba_run_document(r, "a", "", -1, &e), "document a: -1 bytes; a text of at most 16777152 expected");
    BAD(ba_run_image(r, "h", 0, 3, (const uint8_t *)"", &e), "image h: 0 x 3; at most 4096 x 2048 expected");
    BAD(ba_run_image(r, "h", 3, 3, NULL, &e), "image h: 3 x 3; at most 4096 x 2048 expected");
    CHECK(!ba_run_image(r, "grey", 1, 2, (const uint8_t *)"ab", &e) && !ba_run_image(r, "other", 2, 1, (const uint8_t *)"ab", &e), "%s", e.msg);
    BAD(ba_run_image(r, "grey", 2, 1, (const uint8_t *)"ab", &e), "image grey: 2 x 1; those before it are 1 x 2");
    BAD(ba_run_tick(r, -1, 0, &e), "run: epoch -1, step 0; 0 or more expected");
    BAD(ba_run_checkpoint(r, -1, 0, 0, 0, NULL, 0, NULL, &e), "checkpoint: epoch -1, step 0; 0 or more expected");
    BAD(ba_run_checkpoint(r, 0, 0, 0, 1, NULL, 0, NULL, &e), "checkpoint: 1 parts and 0 values; at most 64 and 10000 expected");
    ba_part nothing = { "p", NULL };
    BAD(ba_run_checkpoint(r, 0, 0, 0, 1, &nothing, 0, NULL, &e),
        "checkpoint: part 0: a name of 1 to 63 bytes without '/' and a store expected");
    ba_attr nameless = { .type = BA_I64 };
    BAD(ba_run_checkpoint(r, 0, 0, 0, 0, NULL, 1, &nameless, &e),
        "checkpoint: value 0 (''): a name and an integer, a number or a text expected");
    BAD(ba_run_finish(r, 7, 0, NULL, &e), "run: ending 7; BA_RUN_COMPLETE, _STOPPED or _FAILED expected");
    BAD(ba_run_row(NULL, 0, NULL, 0, &e), "run expected, got nothing");
    BAD(ba_run_stream((ba_run *)(void *)f, "x", "", 1, f, &e), "run expected, got something else (freed?)");
    CHECK(!ba_run_finish(r, BA_RUN_FAILED, 2, "a bad\nreason \xff", &e), "%s", e.msg);
    ba_run_free(r);
    CHECK(is("bad", "failed"), "state");
    ba_run_free(NULL);
    ba_log_free(NULL);
    ba_checkpoint_free(NULL);
    check_group("wrong calls");
}

/* ---- checkpoints and resume ---- */

static void check_saved(const ba_checkpoint *c, int64_t epoch, int64_t step)
{
    ba_err e = { 0 };
    ba_attr v;
    float a[20], b[20];
    ba_store *want = weights(1.0 / (double)(step + 1)), *got = weights(0);
    CHECK(c && ba_checkpoint_epoch(c) == epoch && ba_checkpoint_step(c) == step, "epoch %lld, step %lld",
        (long long)ba_checkpoint_epoch(c), (long long)ba_checkpoint_step(c));
    CHECK(!ba_checkpoint_load(c, "student", got, &e), "%s", e.msg);
    CHECK(!ba_store_read(want, 0, a, 20, &e) && !ba_store_read(got, 0, b, 20, &e) && !memcmp(a, b, sizeof a), "weights");
    CHECK(!ba_store_read(want, 1, a, 4, &e) && !ba_store_read(got, 1, b, 4, &e) && !memcmp(a, b, 16), "weights");
    CHECK(ba_checkpoint_find(c, "seed", &v, &e) == 1 && v.type == BA_I64 && v.value.i == INT64_MIN, "%s", e.msg);
    CHECK(ba_checkpoint_find(c, "best", &v, &e) == 1 && v.type == BA_F64 && v.value.f == 0.1 * (double)step, "%s", e.msg);
    CHECK(ba_checkpoint_find(c, "script", &v, &e) == 1 && v.type == BA_STR && !strcmp(v.value.s,
        "line 1\nline \"2\" \xc3\xa4"), "%s", e.msg);
    CHECK(ba_checkpoint_find(c, "nan", &v, &e) == 1 && isnan(v.value.f) && ba_checkpoint_find(c, "none", &v, &e) == 0
        && ba_checkpoint_values(c) == 4, "%s", e.msg);
    CHECK(ba_checkpoint_value(c, 4, &v, &e) == BA_EARG && ba_checkpoint_load(c, "teacher", got, &e) == BA_ERESUME
       && strstr(e.msg, "teacher has 0 tensors there, 2 in the model"), "%s", e.msg);
    int64_t dim[] = { 4 };
    ba_store *other = fake_store();
    ba_store_add(other, "a.weight", 1, dim, 0, 0, 0, NULL);
    ba_store_add(other, "a.bias", 1, dim, 0, 0, 0, NULL);
    CHECK(ba_checkpoint_load(c, "student", other, &e) == BA_ERESUME && strstr(e.msg,
        "student/a.weight has another shape than in the model"), "%s", e.msg);
    ba_store_free(other);
    other = fake_store();
    ba_store_add(other, "a.bias", 1, dim, 0, 0, 0, NULL);
    ba_store_add(other, "a.wieght", 1, dim, 0, 0, 0, NULL);
    CHECK(ba_checkpoint_load(c, "student", other, &e) == BA_ERESUME && strstr(e.msg,
        "has no tensor student/a.wieght; nearest: student/a.weight"), "%s", e.msg);
    ba_store_free(other);
    ba_store_free(want);
    ba_store_free(got);
}

static int link_is(const char *name, const char *want)
{
    char to[300] = "";
    ssize_t n = readlink(at(name), to, sizeof to - 1);
    return n > 0 && !strcmp(to, want);
}

static void test_resume(void)
{
    ba_err e = { 0 };
    ba_run *r = ba_run_open(folder, "res", BA_RUN_NEW, 0, &e);
    int64_t t = ba_run_stream(r, "train", "", 4, train, &e);
    for (int64_t epoch = 1; epoch <= 6; epoch++) {
        rows(r, t, 10 * epoch - 10, 10 * epoch);
        CHECK(!save(r, epoch, 10 * epoch, epoch == 2, &e), "%s", e.msg);
    }
    rows(r, t, 60, 63);
    CHECK(!save(r, 6, 63, 0, &e), "%s", e.msg); /* within an epoch */
    rows(r, t, 63, 67);
    ba_run_free(r);
    CHECK(file_size(at("res/checkpoints/epoch-0003.ckpt")) == -1 && file_size(at("res/checkpoints/epoch-0002.ckpt")) > 0
       && file_size(at("res/checkpoints/epoch-0005.ckpt")) > 0, "three and the best are kept");
    CHECK(link_is("res/checkpoints/last", "epoch-0006-step-00000063.ckpt") && link_is("res/checkpoints/best",
        "epoch-0002.ckpt"), "links");
    spill(at("res/checkpoints/.x.0123456789abcdef.tmp"), "x", 1);
    CHECK(is("res", "running"), "ended without a word");

    r = ba_run_open(folder, "res", BA_RUN_RESUME, 0, &e);
    CHECK(r && !strcmp(ba_run_notice(r), "the previous start ended without a word (killed?)"), "%s%s", e.msg, ba_run_notice(r));
    CHECK(file_size(at("res/checkpoints/.x.0123456789abcdef.tmp")) == -1, "temporary files are swept");
    check_saved(ba_run_resumed(r), 6, 63);
    CHECK(ba_run_stream(r, "train", "other words", 4, train, &e) == BA_ERESUME && strstr(e.msg,
        "stream train: the journal has it with other columns"), "%s", e.msg);
    t = ba_run_stream(r, "train", "", 4, train, &e);
    rows(r, t, 63, 70);
    CHECK(!save(r, 7, 70, 0, &e), "%s", e.msg);
    CHECK(!ba_run_finish(r, BA_RUN_STOPPED, 130, "interrupted", &e), "%s", e.msg);
    ba_run_free(r);
    ba_log *l = ba_log_open(at("res"), &e);
    double step[80];
    int64_t n = ba_log_rows(l, ba_log_find(l, "train"));
    CHECK(n == 70 && !ba_log_read(l, ba_log_find(l, "train"), 1, 0, n, step, &e), "%lld rows", (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (step[i] != (double)i)
            CHECK(0, "row %lld is step %g", (long long)i, step[i]);
    ba_log_free(l);

    /* the newest is damaged: a line, and the one before */
    int64_t size;
    char *p = slurp(at("res/checkpoints/epoch-0007.ckpt"), &size);
    p[size - 9] ^= 16;
    spill(at("res/checkpoints/epoch-0007.ckpt"), p, size);
    free(p);
    r = ba_run_open(folder, "res", BA_RUN_RESUME, 0, &e);
    CHECK(r && strstr(ba_run_notice(r),
        "epoch-0007.ckpt: damaged (its bytes do not match their checksum); set aside, the one before is taken"), "%s%s", e.msg,
        ba_run_notice(r));
    check_saved(ba_run_resumed(r), 6, 63);
    CHECK(link_is("res/checkpoints/last", "epoch-0006-step-00000063.ckpt") && link_is("res/checkpoints/best",
        "epoch-0002.ckpt"), "links");
    ba_run_free(r);

    r = ba_run_open(folder, "res", BA_RUN_RESTART, 0, &e);
    CHECK(r && !ba_run_resumed(r) && file_size(at("res/checkpoints/epoch-0002.ckpt")) == -1
        && file_size(at("res/run.h5")) == -1, "%s", e.msg);
    ba_run_free(r);
    refuse("res", BA_RUN_RESUME, BA_ERESUME, "no complete checkpoint to resume from; begin again with --restart");
    check_group("checkpoints and resume");
}

static void test_foreign(void)
{
    ba_err e = { 0 };
    ba_run *a = ba_run_open(folder, "one", BA_RUN_NEW, 0, &e), *b = ba_run_open(folder, "two", BA_RUN_NEW, 0, &e);
    CHECK(!save(a, 9, 90, 0, &e) && !save(b, 1, 10, 0, &e), "%s", e.msg);
    ba_run_free(a);
    ba_run_free(b);
    copy_tree(at("one/checkpoints/epoch-0009.ckpt"), at("two/checkpoints/"));
    b = ba_run_open(folder, "two", BA_RUN_RESUME, 0, &e);
    CHECK(b && ba_checkpoint_step(ba_run_resumed(b)) == 10 && strstr(ba_run_notice(b),
        "epoch-0009.ckpt: belongs to an earlier run; not used"), "%s%s", e.msg, ba_run_notice(b));
    ba_run_free(b);
    int64_t size;
    char *p = slurp(at("one/checkpoints/epoch-0009.ckpt"), &size);
    ba_checkpoint *c = ba_checkpoint_open(at("one/checkpoints/epoch-0009.ckpt"), &e);
    check_saved(c, 9, 90);
    ba_checkpoint_free(c);
    long taken = 0;
    uint64_t seed = 3;
    for (int i = 0; i < 2000; i++) { /* every bit counts */
        int64_t where = (int64_t)(noise(&seed) % (uint64_t)size);
        char bit = (char)(1 << noise(&seed) % 8);
        p[where] ^= bit;
        spill(at("flip"), p, size);
        p[where] ^= bit;
        c = ba_checkpoint_open(at("flip"), &e);
        taken += c != NULL;
        ba_checkpoint_free(c);
    }
    CHECK(!taken, "%ld damaged checkpoints opened", taken);
    for (int64_t n = 0; n < size; n += 1 + n / 50) {
        spill(at("flip"), p, n);
        c = ba_checkpoint_open(at("flip"), &e);
        CHECK(!c && e.code == BA_EDATA, "%lld bytes", (long long)n);
        ba_checkpoint_free(c);
    }
    free(p);
    check_group("checkpoints: of others, damaged, cut");
}

/* ---- lock ---- */

static void test_lock(void)
{
    ba_err e = { 0 };
    char want[700];
    struct timespec a, b;
    ba_run *r = ba_run_open(folder, "locked", BA_RUN_NEW, 0, &e);
    clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK(!ba_run_open(folder, "locked", BA_RUN_RESTART, 0, &e) && e.code == BA_EBUSY, "%s", e.msg);
    clock_gettime(CLOCK_MONOTONIC, &b);
    snprintf(want, sizeof want, "%s: already running: pid %d on host ", at("locked"), (int)getpid());
    CHECK(!strncmp(e.msg, want, strlen(want)) && strstr(e.msg, " since ") && strstr(e.msg, "(run.lock)"), "%s", e.msg);
    CHECK((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec) < 2, "slow");
    ba_run_free(r);
    int won[2], end[2], winners = 0, busy = 0, other = 0;
    CHECK(!pipe(won) && !pipe(end), "pipe");
    for (int i = 0; i < 20; i++)
        if (!fork()) {
            close(won[0]);
            close(end[1]);
            r = ba_run_open(folder, "race", BA_RUN_RESTART, 0, &e);
            char c = r ? 'w' : e.code == BA_EBUSY ? 'b' : 'o';
            if (write(won[1], &c, 1) != 1)
                _exit(1);
            _exit(read(end[0], &c, 1) != 0); /* until all have tried */
        }
    close(won[1]);
    close(end[0]);
    for (char c; winners + busy + other < 20 && read(won[0], &c, 1) == 1;) {
        winners += c == 'w';
        busy += c == 'b';
        other += c == 'o';
    }
    close(end[1]);
    close(won[0]);
    while (wait(NULL) > 0)
        ;
    CHECK(winners == 1 && busy == 19 && !other, "%d winners, %d refused, %d otherwise", winners, busy, other);
    r = ba_run_open(folder, "race", BA_RUN_RESTART, 0, &e);
    CHECK(r, "free after its holder has died: %s", e.msg);
    char moved[600];
    snprintf(moved, sizeof moved, "%s", at("moved"));
    CHECK(!rename(at("race"), moved), "rename");
    CHECK(ba_run_sync(r, &e) == BA_EMACHINE && strstr(e.msg, "the run folder is gone (moved or removed)"), "%s", e.msg);
    ba_run_free(r);
    check_group("one process at a time");
}

/* run.h5 is replaced as fast as it goes, and read as fast as it goes: every opening is good, the rows never shrink. */
static void test_live_readers(void)
{
    int status;
    long bad = 0, opens = 0;
    hsize_t last = 0, n = 0;
    pid_t p = fork();
    if (!p) {
        ba_err e = { 0 };
        ba_run *r = ba_run_open(folder, "live", BA_RUN_NEW, 0, &e);
        int64_t t = ba_run_stream(r, "train", "", 4, train, &e);
        double v[4] = { 1, 2, 3, 4 };
        for (;;) {
            for (int i = 0; i < 20; i++)
                if (ba_run_row(r, t, v, 4, &e))
                    _exit(1);
            if (ba_run_snapshot(r, &e))
                _exit(1);
        }
    }
    while (file_size(at("live/run.h5")) < 0 && !waitpid(p, &status, WNOHANG))
        usleep(1000);
    for (; opens < 1000; opens++) {
        hid_t f = H5Fopen(at("live/run.h5"), H5F_ACC_RDONLY, H5P_DEFAULT), d = f < 0 ? -1 : H5Dopen2(f, "train", H5P_DEFAULT),
            s = d < 0 ? -1 : H5Dget_space(d);
        if (s < 0 || H5Sget_simple_extent_dims(s, &n, NULL) != 1 || n < last)
            bad++;
        last = n;
        if (s >= 0)
            H5Sclose(s);
        if (d >= 0)
            H5Dclose(d);
        if (f >= 0)
            H5Fclose(f);
    }
    kill(p, SIGKILL);
    CHECK(waitpid(p, &status, 0) == p && WIFSIGNALED(status), "the writer ended by itself: %x", status);
    CHECK(!bad, "%ld of %ld openings", bad, opens);
    printf("# %ld openings, %lld rows at last\n", opens, (long long)last);
    check_group("reading while it is written");
}

/* A process that crashes at the n-th file operation of a run's end: 0 when there are fewer, and the run is complete. */
static int crash_at(long n, const char *name)
{
    int status = 0;
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        ba_err e = { 0 };
        dup2(open("/dev/null", O_WRONLY), 2);
        ba_run *r = ba_crash_install(0, &e) ? NULL : ba_run_open(folder, name, BA_RUN_NEW, 0, &e);
        fault_arm(FAULT_CRASH, n, 0);
        _exit(!r ? 3 : ba_run_finish(r, BA_RUN_COMPLETE, 0, NULL, &e) ? 4 : 0);
    }
    CHECK(waitpid(p, &status, 0) == p && WIFEXITED(status) && (WEXITSTATUS(status) == 70 || !status), "operation %ld: status %x", n, status);
    return status != 0;
}

/* Whatever a crash interrupts at the end of a run, the state says that there was one. */
static void test_last_words(void)
{
#ifdef __SANITIZE_ADDRESS__
    check_skip("crashes at the end of a run", "AddressSanitizer has its own handler");
#else
    char name[40];
    long n = 0;
    for (int crashed = 1; crashed;) {
        ba_run_state s = { .state = "" };
        snprintf(name, sizeof name, "crash-%ld", ++n);
        crashed = crash_at(n, name);
        CHECK(!ba_run_state_read(at(name), &s, NULL) && !strcmp(s.state, crashed ? "failed" : "complete"), "operation %ld: %s", n, s.state);
        CHECK(!crashed || (s.exit_code == 70 && !strcmp(s.reason, "internal error: SIGABRT (step 0)")), "operation %ld: %d %s", n, s.exit_code, s.reason);
    }
    CHECK(n > 10, "only %ld file operations", n - 1);
    check_group("crashes at the end of a run");
#endif
}

/* Programs that cannot be started say so where they would have spoken. */
static void test_processes(void)
{
    static const struct { const char *name, *why; } bad[] = { { "no-such-program", "No such file or directory" }, { "not-a-program", "Permission denied" } };
    ba_err e = { 0 };
    char want[1000];
    spill(at("not-a-program"), "text", 4);
    for (int i = 0; i < 2; i++) {
        const char *const argv[] = { at(bad[i].name), NULL };
        int64_t size = 0, pid = ba_process_start(argv, at("said"), &e);
        int32_t status = 0;
        CHECK(pid > 0 && ba_process_wait(60, &status, &e) == pid && status == 127, "%s: %d %s", bad[i].name, status, e.msg);
        char *said = slurp(at("said"), &size);
        snprintf(want, sizeof want, "bauta: %s cannot be started: %s\n", argv[0], bad[i].why);
        CHECK(said && (size_t)size == strlen(want) && !memcmp(said, want, (size_t)size), "%.*s", (int)size, said ? said : "");
        free(said);
        unlink(at("said"));
    }
    check_group("programs that cannot be started");
}

static void test_signals(void)
{
    int status;
    pid_t p = fork();
    if (!p) {
        int bad = ba_signal_install(NULL) || ba_signal_pending();
        raise(SIGPIPE);
        raise(SIGXFSZ);
        bad |= ba_signal_pending() != 0;
        raise(SIGUSR1);
        bad |= ba_signal_pending() != SIGUSR1;
        raise(SIGHUP);
        bad |= ba_signal_pending() != SIGHUP;
        raise(SIGTERM);
        bad |= ba_signal_pending() != SIGTERM;
        raise(SIGINT);
        bad |= ba_signal_pending() != SIGINT;
        if (bad)
            _exit(1);
        raise(SIGINT);
        _exit(2);
    }
    CHECK(waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == 130, "status %x", status);
    check_group("signals");
}

static void test_speed(void)
{
    ba_err e = { 0 };
    struct timespec a, b;
    ba_run *r = ba_run_open(folder, "speed", BA_RUN_NEW, 0, &e);
    int64_t t = ba_run_stream(r, "train", "", 4, train, &e);
    double v[4] = { 1, 2, 3, 4 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (int i = 0; i < 100000 && !ba_run_row(r, t, v, 4, &e); i++)
        ;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double us = ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)) * 10;
    clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK(!ba_run_snapshot(r, &e), "%s", e.msg);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("# a row: %.2f us of processor time; run.h5 of 100,000 rows: %.0f ms\n", us,
        (double)(b.tv_sec - a.tv_sec) * 1e3 + 1e-6 * (double)(b.tv_nsec - a.tv_nsec));
    CHECK(us < 50, "a row takes %.2f us", us);
    ba_run_free(r);
    check_group("speed");
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", temp_folder("runs"));
    test_life();
    test_log();
    test_readers();
    test_modes();
    test_bad_calls();
    test_resume();
    test_foreign();
    test_lock();
    test_live_readers();
    test_last_words();
    test_processes();
    test_signals();
    test_speed();
    return check_done();
}
