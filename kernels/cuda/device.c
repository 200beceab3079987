/* device: the CUDA device behind core's table of functions (core/graph/device.h): finds the operations' launch functions, runs
 * programs, replays them as recorded graphs, and turns what kernels report into one line. All that touches a machine is in runtime.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/graph/device.h"
#include "device.h"
#include "runtime_fp8.h"

#define BA_LISTED(NAME) extern const bai_cuda_op bai_cuda_op_##NAME;
#include "cuda_ops.inc"
#undef BA_LISTED
#define BA_LISTED(NAME) &bai_cuda_op_##NAME,
static const bai_cuda_op *const table[] = {
#include "cuda_ops.inc"
    NULL };
#undef BA_LISTED

/* A program that was run: what stands for it is the address of its steps. */
typedef struct recorded { const bai_step *steps; int64_t n; uint64_t seed; int launched; void *replay; } recorded;

struct bai_cuda {
    rt *rt;
    uint32_t *fault;
    recorded *programs;
    int n_programs, room;
    int careful;              /* BAUTA_CUDA_WAIT=1: one launch after the other, waited for, so that a failure names its operation */
    char text[200];
};

static const bai_cuda_op *find(const char *name)
{
    for (int i = 0; table[i]; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}

/* ---- parameters ---- */
static const ba_param *row_of(const ba_op *op, const char *name)
{
    for (uint32_t i = 0; i < op->nparams; i++)
        if (!strcmp(op->params[i].name, name))
            return &op->params[i];
    fprintf(stderr, "cuda: operation %s has no parameter %s\n", op->name, name);
    abort(); /* a .cu that does not fit its .c: found by the first test of the operation */
}

int64_t bai_cuda_param_i(const ba_op *op, const void *params, const char *name)
{
    return *(const int64_t *)((const char *)params + row_of(op, name)->offset);
}
int64_t bai_cuda_i(const bai_cuda_call *c, const char *name) { return bai_cuda_param_i(c->op, c->params, name); }
double bai_cuda_f(const bai_cuda_call *c, const char *name) { return *(const double *)((const char *)c->params + row_of(c->op, name)->offset); }
const char *bai_cuda_s(const bai_cuda_call *c, const char *name) { return *(const char *const *)((const char *)c->params + row_of(c->op, name)->offset); }

/* ---- opening ---- */
static void close_(void *self)
{
    struct bai_cuda *c = self;
    for (int i = 0; i < c->n_programs; i++)
        rt_recording_free(c->rt, c->programs[i].replay);
    free(c->programs);
    rt_close(c->rt);
    free(c);
}

static void *open_(int64_t threads, const char *tier, ba_err *e)
{
    (void)threads;
    if (strcmp(tier, "auto")) {
        ba_fail(e, BA_EARG, "tier '%.40s': device %s has no tiers ('auto')", tier, rt_name);
        return NULL;
    }
    struct bai_cuda *c = calloc(1, sizeof *c);
    if (!c) {
        ba_fail(e, BA_EMACHINE, "no memory for device %s", rt_name);
        return NULL;
    }
    if (!(c->rt = rt_open(e))) {
        free(c);
        return NULL;
    }
    c->fault = rt_shared_word(c->rt);
    const char *wait = getenv("BAUTA_CUDA_WAIT");
    c->careful = wait && *wait && strcmp(wait, "0");
    snprintf(c->text, sizeof c->text, "%s: %s", rt_name, rt_describe(c->rt));
    return c;
}

static const char *describe(void *self) { return ((struct bai_cuda *)self)->text; }
static int has(void *self, const char *what)
{
    return !strcmp(what, "bf16") || !strcmp(what, "tf32") || (!strcmp(what, "fp8") && rt_has_fp8(((struct bai_cuda *)self)->rt));
}
static int workers(void *self) { (void)self; return 1; }

static int supports(void *self, const ba_op *op, ba_err *e)
{
    (void)self;
    return (op->flags & BA_OP_ALIAS) || find(op->name) ? BA_OK : ba_fail(e, BA_EMACHINE, "operation %s cannot run on device %s yet", op->name, rt_name);
}

static size_t scratch(void *self, const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)self;
    const bai_cuda_op *k = find(op->name);
    return k && k->scratch ? k->scratch(op, params, n_in, in, out) : 0;
}

/* ---- memory ---- */
static void *alloc(void *self, size_t bytes, ba_err *e) { return rt_alloc(((struct bai_cuda *)self)->rt, bytes, e); }
static void release(void *self, void *p) { rt_free(((struct bai_cuda *)self)->rt, p); }
static int64_t room(void *self) { return rt_room(((struct bai_cuda *)self)->rt); }
static int put(void *self, void *to, const void *from, size_t bytes, ba_err *e) { return rt_put(((struct bai_cuda *)self)->rt, to, from, bytes, e); }
static int send(void *self, void *to, const void *from, size_t bytes, ba_err *e) { return rt_send(((struct bai_cuda *)self)->rt, to, from, bytes, e); }
static int take(void *self, void *to, ba_err *e) { return rt_take(((struct bai_cuda *)self)->rt, to, e); }

/* ---- faults ---- */
static const char *const faults[] = { "", "an index is out of range", "a score is not a number", "steps count from 1" };
static const int codes[] = { BA_EBUG, BA_EDATA, BA_ENUMERIC, BA_EARG };

/* A call's number: its program in the high bits, its step in the low ones (28 in all: ba_fault adds the code). */
enum { STEP_BITS = 16 };
static uint32_t call_id(int program, int64_t step) { return (uint32_t)(program + 1) << STEP_BITS | (uint32_t)(step & ((1 << STEP_BITS) - 1)); }

static int judge_fault(struct bai_cuda *c, ba_err *e)
{
    uint32_t word = *(volatile uint32_t *)c->fault, code = word & 15, step = word >> 4 & ((1 << STEP_BITS) - 1);
    int program = (int)(word >> (4 + STEP_BITS)) - 1;
    if (!word)
        return BA_OK;
    *c->fault = 0;
    const char *where = program >= 0 && program < c->n_programs && step < c->programs[program].n ? c->programs[program].steps[step].where : "a kernel";
    return ba_fail(e, code < 4 ? codes[code] : BA_EBUG, "%s: %s", where, code < 4 ? faults[code] : "an unknown fault");
}

static int get(void *self, void *to, const void *from, size_t bytes, ba_err *e)
{
    struct bai_cuda *c = self;
    int r = rt_get(c->rt, to, from, bytes, e);
    return r ? r : judge_fault(c, e);
}

/* ---- programs ---- */
static recorded *program_of(struct bai_cuda *c, const bai_step *steps, int64_t n, uint64_t seed, ba_err *e)
{
    recorded *empty = NULL;
    for (int i = 0; i < c->n_programs; i++) {
        if (c->programs[i].steps == steps && c->programs[i].n == n && c->programs[i].seed == seed)
            return &c->programs[i];
        if (!c->programs[i].steps)
            empty = &c->programs[i];
    }
    if (!empty && c->n_programs == c->room) {
        int room = c->room ? 2 * c->room : 8;
        recorded *more = realloc(c->programs, (size_t)room * sizeof *more);
        if (!more) {
            ba_fail(e, BA_EMACHINE, "no memory for device %s", rt_name);
            return NULL;
        }
        c->programs = more;
        c->room = room;
    }
    recorded *p = empty ? empty : &c->programs[c->n_programs++];
    *p = (recorded){ steps, n, seed, 0, NULL };
    return p;
}

static void forget(void *self, const bai_step *steps)
{
    struct bai_cuda *c = self;
    rt_wait(c->rt, NULL); /* its memory goes next */
    uint32_t word = *(volatile uint32_t *)c->fault; /* one that nobody has read is not the next program's */
    int program = (int)(word >> (4 + STEP_BITS)) - 1;
    if (steps && word && program >= 0 && program < c->n_programs && c->programs[program].steps == steps)
        *c->fault = 0;
    for (int i = 0; i < c->n_programs; i++)
        if (c->programs[i].steps == steps) {
            rt_recording_free(c->rt, c->programs[i].replay);
            c->programs[i] = (recorded){ 0 };
        }
}

static bai_cuda_call call_of(struct bai_cuda *c, const recorded *p, int64_t i)
{
    const bai_step *s = &p->steps[i];
    return (bai_cuda_call){ .op = s->op, .params = s->params, .n_in = s->n_in, .n_out = s->n_out, .in = s->in, .out = s->out, .scratch = s->scratch,
        .seed = p->seed, .tf32 = s->tf32, .stream = rt_stream(c->rt), .cuda = c, .fault = c->fault, .id = call_id((int)(p - c->programs), i) };
}

/* Whether step b touches memory that step a writes. */
static int touches(const bai_step *a, const bai_step *b)
{
    for (int i = 0; i < a->n_in; i++)
        for (int k = 0; k < b->n_in && (a->op->inout >> i & 1); k++)
            if (a->in[i].data && a->in[i].data == b->in[k].data)
                return 1;
    for (int i = 0; i < a->n_out; i++)
        for (int k = 0; k < b->n_in; k++)
            if (a->out[i].data && a->out[i].data == b->in[k].data)
                return 1;
    return 0;
}

/* How many steps from i on run as one launch. */
static int64_t together(const recorded *p, int64_t i)
{
    int64_t n = 1;
    for (; i + n < p->n && n < BAI_CUDA_MANY && p->steps[i + n].op == p->steps[i].op; n++)
        for (int64_t k = 0; k < n; k++)
            if (touches(&p->steps[i + k], &p->steps[i + n]) || touches(&p->steps[i + n], &p->steps[i + k]))
                return n;
    return n;
}

/* Enqueues step i, or with `join` several; gives how many in *n. */
static int launch(struct bai_cuda *c, const recorded *p, int64_t i, int join, int64_t *n, ba_err *e)
{
    const bai_step *s = &p->steps[i];
    const bai_cuda_op *k = find(s->op->name);
    bai_cuda_call calls[BAI_CUDA_MANY];
    ba_err inner = { 0 };
    *n = join && k->many ? together(p, i) : 1;
    for (int64_t m = 0; m < *n; m++)
        calls[m] = call_of(c, p, i + m);
    int r = *n > 1 ? k->many(calls, (int)*n, &inner) : k->launch(calls, &inner);
    if (r)
        return ba_fail(e, r, "%s: %s", s->where, inner.msg);
    return rt_failed(c->rt, s->where, e);
}

static int launch_all(struct bai_cuda *c, const recorded *p, ba_err *e)
{
    int r = BA_OK;
    ba_err inner = { 0 };
    for (int64_t i = 0, n = 1; i < p->n && !r; i += n)
        if (!(r = launch(c, p, i, !c->careful, &n, e)) && c->careful && rt_wait(c->rt, &inner))
            r = ba_fail(e, BA_EMACHINE, "%s: %s", p->steps[i].where, inner.msg);
    return r;
}

static int run_profiled(struct bai_cuda *c, const recorded *p, bai_step *steps, ba_err *e)
{
    int r = rt_mark(c->rt, 0, e);
    for (int64_t i = 0, one; i < p->n && !r; i++)
        if (!(r = launch(c, p, i, 0, &one, e)))
            r = rt_mark(c->rt, (int)i + 1, e);
    if (!r && !(r = rt_wait(c->rt, e)))
        for (int64_t i = 0; i < p->n; i++)
            steps[i].seconds += rt_between(c->rt, (int)i);
    return r;
}

/* The first run launches (and lets the library choose its algorithms), the second records, all others replay. */
static int run(void *self, bai_step *steps, int64_t n, uint64_t seed, int profile, ba_err *e)
{
    struct bai_cuda *c = self;
    int r = judge_fault(c, e);
    recorded *p = r ? NULL : program_of(c, steps, n, seed, e);
    if (!p)
        return r ? r : BA_EMACHINE;
    if (profile)
        return run_profiled(c, p, steps, e);
    if (!p->replay && (!p->launched || c->careful || !rt_can_record(c->rt))) {
        r = launch_all(c, p, e);
        p->launched |= !r; /* what failed on its way has not chosen all algorithms, which cannot be done while recording */
        return r;
    }
    if (!p->replay) {
        if ((r = rt_record_begin(c->rt, e)))
            return r;
        r = launch_all(c, p, e);
        int ended = rt_record_end(c->rt, &p->replay, r ? NULL : e);
        if (r || ended) { /* half a step must not be replayed */
            rt_recording_free(c->rt, p->replay);
            p->replay = NULL;
            return r ? r : ended;
        }
    }
    return rt_replay(c->rt, p->replay, e);
}

rt *bai_cuda_rt(struct bai_cuda *c) { return c->rt; }

__attribute__((visibility("default"))) const bai_device_ops bauta_device = {
    .magic = BAI_DEVICE_MAGIC, .abi = BAI_DEVICE_ABI, .size = sizeof(bai_device_ops), .name = rt_name,
    .open = open_, .close = close_, .describe = describe, .has = has, .workers = workers, .supports = supports, .scratch = scratch,
    .alloc = alloc, .release = release, .put = put, .send = send, .take = take, .get = get, .run = run, .forget = forget, .room = room, .joins = 1,
};
