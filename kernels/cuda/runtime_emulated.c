/* runtime_emulated: a machine made of the host's memory, on which the kernels of the .cu files run as fibers (emulate.cc). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime_fp8.h"

const char rt_name[] = "emulated";

enum { MARKS = 1 << 16, TILE = 64 };

struct rt { uint32_t word; int64_t blocks; void *sent, *to; size_t bytes; double mark[MARKS]; };

rt *rt_open(ba_err *e)
{
    rt *r = calloc(1, sizeof *r);
    if (!r)
        ba_fail(e, BA_EMACHINE, "no memory for the emulator");
    return r;
}

void rt_close(rt *r)
{
    if (r->blocks)
        fprintf(stderr, "emulated: %lld blocks were never released\n", (long long)r->blocks);
    free(r->sent);
    free(r);
}

const char *rt_describe(rt *r) { (void)r; return "the CUDA kernels on a CPU, one thread after the other, for tests"; }
void *rt_stream(rt *r) { (void)r; return NULL; }
int rt_has_fp8(rt *r) { (void)r; return 1; }
size_t rt_shared(rt *r) { (void)r; return 227 * 1024; }

void *rt_alloc(rt *r, size_t bytes, ba_err *e)
{
    void *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!p) {
        ba_fail(e, BA_EMACHINE, "no memory: %.1f MiB asked", (double)bytes / 1048576);
        return NULL;
    }
    memset(p, 0, bytes);
    r->blocks++;
    return p;
}

void rt_free(rt *r, void *p)
{
    r->blocks -= p != NULL;
    free(p);
}

int rt_put(rt *r, void *to, const void *from, size_t bytes, ba_err *e) { (void)r, (void)e; memcpy(to, from, bytes); return BA_OK; }
int rt_get(rt *r, void *to, const void *from, size_t bytes, ba_err *e) { (void)r, (void)e; memcpy(to, from, bytes); return BA_OK; }
int rt_wait(rt *r, ba_err *e) { (void)r, (void)e; return BA_OK; }
int64_t rt_room(rt *r) { (void)r; return -1; }

int rt_send(rt *r, void *to, const void *from, size_t bytes, ba_err *e)
{
    free(r->sent);
    if (!(r->sent = malloc(bytes)))
        return ba_fail(e, BA_EMACHINE, "no memory: %.1f MiB asked", (double)bytes / 1048576);
    memcpy(r->sent, from, bytes);
    r->to = to, r->bytes = bytes;
    return BA_OK;
}

int rt_take(rt *r, void *to, ba_err *e)
{
    if (!r->sent || r->to != to)
        return ba_fail(e, BA_EARG, "emulated: nothing was sent there");
    memcpy(to, r->sent, r->bytes);
    free(r->sent);
    r->sent = NULL;
    return BA_OK;
}

uint32_t *rt_shared_word(rt *r) { return &r->word; }
int rt_failed(rt *r, const char *where, ba_err *e) { (void)r, (void)where, (void)e; return BA_OK; }

int rt_can_record(rt *r) { (void)r; return 0; }
int rt_record_begin(rt *r, ba_err *e) { (void)r; return ba_fail(e, BA_EBUG, "the emulator records nothing"); }
int rt_record_end(rt *r, void **recording, ba_err *e) { (void)recording; return rt_record_begin(r, e); }
int rt_replay(rt *r, void *recording, ba_err *e) { (void)recording; return rt_record_begin(r, e); }
void rt_recording_free(rt *r, void *recording) { (void)r, (void)recording; }

int rt_mark(rt *r, int i, ba_err *e)
{
    struct timespec t;
    (void)e;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (i < MARKS)
        r->mark[i] = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    return BA_OK;
}
double rt_between(rt *r, int i) { return i + 1 < MARKS ? r->mark[i + 1] - r->mark[i] : 0; }

static float e4m3(int code)
{
    float a = code & 0x78 ? ldexpf((float)(8 + (code & 7)), (code >> 3 & 15) - 10) : ldexpf((float)(code & 7), -9);
    a = (code & 0x7f) == 0x7f ? NAN : a;
    return code & 0x80 ? -a : a;
}

static float number(const void *p, int type, int64_t i)
{
    if (type == BA_F32)
        return ((const float *)p)[i];
    if (type == BA_U8)
        return e4m3(((const uint8_t *)p)[i]);
    uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void set(void *p, int type, int64_t i, float x)
{
    uint32_t u;
    if (type == BA_F32) {
        ((float *)p)[i] = x;
        return;
    }
    memcpy(&u, &x, 4);
    ((uint16_t *)p)[i] = x != x ? 0x7fff : (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

/* What is left of a factor in tf32: 10 bits of mantissa. */
static float factor(const rt_gemm *g, const void *p, int type, int64_t i)
{
    float f = number(p, type, i);
    uint32_t u;
    if (!g->tf32 || type != BA_F32)
        return f;
    memcpy(&u, &f, 4);
    u = (u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u;
    memcpy(&f, &u, 4);
    return f;
}

static int multiply(const rt_gemm *g, float alpha)
{
    int left = (g->bias && g->m % 2 ? RT_NO_BIAS : 0) | (g->sums && g->n % 2 ? RT_NO_SUMS : 0); /* so that callers' both ways are tested */
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t i = 0; i < g->m; i++) {
            float sum = 0;
            for (int64_t k = 0; k < g->k && g->sums && !(left & RT_NO_SUMS); k++)
                sum += number(g->a, g->type_a, g->trans_a ? k * g->lda + i : i * g->lda + k);
            if (g->sums && !(left & RT_NO_SUMS))
                set(g->sums, g->type_c, i, sum);
            for (int64_t j = 0; j < g->n; j++) {
                float s = 0, part = 0; /* in tiles, as a device sums: one long chain would lose more digits */
                for (int64_t k = 0; k < g->k; k++) {
                    part += factor(g, g->a, g->type_a, b * g->stride_a + (g->trans_a ? k * g->lda + i : i * g->lda + k)) *
                         factor(g, g->b, g->type_b, b * g->stride_b + (g->trans_b ? j * g->ldb + k : k * g->ldb + j));
                    if (k % TILE == TILE - 1)
                        s += part, part = 0;
                }
                int64_t at = b * g->stride_c + i * g->ldc + j;
                s = alpha * (s + part) + (g->beta != 0 ? g->beta * number(g->c, g->type_c, at) : 0) + (g->bias && !(left & RT_NO_BIAS) ? number(g->bias, g->type_c, j) : 0);
                set(g->c, g->type_c, at, s);
            }
        }
    return left;
}

int rt_gemm_run(rt *r, const rt_gemm *g, ba_err *e)
{
    (void)r, (void)e;
    return multiply(g, g->alpha);
}

int rt_gemm_fp8_run(rt *r, const rt_gemm_fp8 *g, ba_err *e)
{
    (void)r, (void)e;
    return multiply(&g->g, g->g.alpha * *g->scale_a * *g->scale_b);
}
