/* enqueue: a queue in place: the rows of this step take the places of the oldest ones. queue fp32 [K,D], rows [B,D], step i32 [] counted
 * from 1; row i goes to place ((step - 1) B + i) mod K. K is a multiple of B, so that nothing is written twice. */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[3][96];
    (void)params, (void)n_in;
    if (in[0]->dtype != BA_F32 || in[0]->rank != 2 || !bai_is_real(in[1]) || in[1]->rank != 2 || in[1]->dim[1] != in[0]->dim[1] ||
        in[2]->dtype != BA_I32 || in[2]->rank)
        return ba_fail(e, BA_EARG, "enqueue: the queue is %s, the rows %s, the step %s; f32[K,D], [B,D] and i32[] expected", bai_text(in[0], t[0]),
                       bai_text(in[1], t[1]), bai_text(in[2], t[2]));
    if (in[0]->dim[0] % in[1]->dim[0])
        return ba_fail(e, BA_EARG, "enqueue: a queue of %lld rows is no multiple of the %lld that come in a step", (long long)in[0]->dim[0],
                       (long long)in[1]->dim[0]);
    out[0] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static int64_t first(int64_t step, int64_t rows, int64_t places) { return (step > 0 ? step - 1 : 0) % (places / rows) * rows; }

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    const ba_type *q = &k->in[0].type, *x = &k->in[1].type;
    (void)worker;
    float *to = (float *)k->in[0].data + (first(*(const int32_t *)k->in[2].data, x->dim[0], q->dim[0]) + t) * q->dim[1];
    const float *from = bai_row(&k->in[1], t * q->dim[1], q->dim[1], to);
    if (from != to)
        for (int64_t i = 0; i < q->dim[1]; i++)
            to[i] = from[i];
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[1].type.dim[0], task, (void *)k);
    if (k->out[0].data)
        *(float *)k->out[0].data = 0;
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t rows = r->in_type[1].dim[0], places = r->in_type[0].dim[0], width = r->in_type[0].dim[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) {
            int64_t at = ((int64_t)r->in[2][0] > 0 ? (int64_t)r->in[2][0] - 1 : 0) * rows + i;
            r->in[0][at % places * width + j] = r->in[1][i * width + j];
        }
    r->out[0][0] = 0;
}

BA_OP(enqueue) = {
    .name = "enqueue", .doc = "the rows of this step take the places of the oldest ones of a queue, in place",
    .min_in = 3, .max_in = 3, .n_out = 1, .flags = BA_OP_EFFECT, .inout = 1,
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 3, { { BA_F32, 2, { 12, 5 }, 0, -1, 1 }, { BA_F32, 2, { 4, 5 }, 0, -1, 1 }, { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 9 } } },
        { "", 3, { { BA_F32, 2, { 3, 700 }, 0, -1, 1 }, { BA_BF16, 2, { 3, 700 }, 0, -1, 1 }, { BA_I32, 0, { 0 }, BA_FILL_INDEX, 1, 1000 } } }),
    .tolerance = 0,
};
