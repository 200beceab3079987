/* correct: whether the label is among the `top` highest logits; ties count for the lower class. logits [B,C], labels i32 [B]; f32 [B] of 0 and 1. */
#include "../shared/kernel.h"

typedef struct correct_params { int64_t top; } correct_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank != 2 || !bai_is_real(in[0]) || in[1]->dtype != BA_I32 || in[1]->rank != 1 || in[1]->dim[0] != in[0]->dim[0])
        return ba_fail(e, BA_EARG, "correct: logits are %s, labels %s; [B,C] and i32[B] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = bai_shape(BA_F32, 1, in[0]->dim[0], 1, 1, 1);
    return BA_OK;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out, (void)workers;
    return (size_t)bai_round64(in[0]->dim[1] * 4);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    int64_t C = k->in[0].type.dim[1];
    for (int64_t b = 0; b < k->in[0].type.dim[0]; b++) {
        const float *z = bai_row(&k->in[0], b * C, C, k->scratch);
        int32_t y = ((const int32_t *)k->in[1].data)[b];
        int64_t ahead = 0;
        if (y < 0 || y >= C)
            return ba_fail(e, BA_EDATA, "label %d of image %lld; the model has classes 0 to %lld", y, (long long)b, (long long)C - 1);
        for (int64_t c = 0; c < C; c++)
            ahead += z[c] > z[y] || (z[c] == z[y] && c < y);
        ((float *)k->out[0].data)[b] = z[y] == z[y] && ahead < ((const correct_params *)k->params)->top;
    }
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t C = r->in_type[0].dim[1];
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++) {
        const double *z = r->in[0] + b * C;
        int64_t y = (int64_t)r->in[1][b], ahead = 0;
        for (int64_t c = 0; c < C; c++)
            ahead += z[c] > z[y] || (z[c] == z[y] && c < y);
        r->out[0][b] = ahead < ((const correct_params *)r->params)->top;
    }
}

BA_OP(correct) = {
    .name = "correct", .doc = "1 where the label is among the highest logits, else 0",
    .min_in = 2, .max_in = 2, .n_out = 1,
    BA_PARAMS(correct_params, BA_INT(correct_params, top, 1, 1, 1 << 24, "classes", "how many of the highest count")),
    .shape = shape, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 30, 4 }, 0, -1, 1 }, { BA_I32, 1, { 30 }, BA_FILL_INDEX, 0, 4 } } },
        { "top=3", 2, { { BA_F32, 2, { 30, 9 }, BA_FILL_INDEX, 0, 4 }, { BA_I32, 1, { 30 }, BA_FILL_INDEX, 0, 9 } } }),
    .tolerance = 0,
};
