/* reshape: see the header. Positions are resized in double, one axis after the other; rows of the extra tokens are copied. */
#include "reshape.h"

#include <stdlib.h>
#include <string.h>

#include "../base/interpolate.h"

int bai_resize_named(const char *name, int *kernel, ba_err *e)
{
    static const struct { const char *name; int kernel; } all[] = {
        { "bicubic", BAI_BICUBIC }, { "bicubic-antialias", BAI_ANTIALIAS }, { "bilinear", BAI_BILINEAR }, { "dino", BAI_DINO }, { "crop", BAI_CROP } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!strcmp(all[i].name, name)) {
            *kernel = all[i].kernel;
            return BA_OK;
        }
    return ba_fail(e, BA_EARG, "weights: resize = '%.40s'; bicubic, bicubic-antialias, bilinear, dino or crop expected", name);
}

static float *room(int64_t n) { return malloc((size_t)(n > 0 ? n : 1) * sizeof(float)); }

float *bai_turned(const float *in, int64_t rows, int64_t columns)
{
    float *out = room(rows * columns);
    for (int64_t i = 0; out && i < rows * columns; i++)
        out[i % columns * rows + i / columns] = in[i];
    return out;
}

float *bai_folded(const float *in, int64_t rows, int64_t columns)
{
    float *out = room(rows * columns);
    int64_t C = columns / 4;
    for (int64_t r = 0; out && r < rows; r++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t k = 0; k < 4; k++)
                out[r * columns + (k % 2 * 2 + k / 2) * C + c] = in[r * columns + 4 * c + k];
    return out;
}

float *bai_summed(const float *in, int64_t outer, int64_t channels, int64_t inner)
{
    float *out = room(outer * inner);
    for (int64_t i = 0; out && i < outer * inner; i++) {
        double s = 0;
        for (int64_t c = 0; c < channels; c++)
            s += (double)in[(i / inner * channels + c) * inner + i % inner];
        out[i] = (float)s;
    }
    return out;
}

/* One axis: `outer` pieces of n x `inner` numbers become pieces of m x inner. */
static double *along(const double *in, int64_t outer, int64_t n, int64_t m, int64_t inner, int kernel)
{
    double *out = calloc((size_t)(outer * m * inner), sizeof *out), *w = malloc((size_t)n * sizeof *w);
    for (int64_t o = 0; out && w && o < m; o++) {
        bai_interpolate(kernel, n, m, o, w);
        for (int64_t p = 0; p < outer; p++)
            for (int64_t i = 0; i < n; i++)
                for (int64_t k = 0; w[i] != 0 && k < inner; k++)
                    out[(p * m + o) * inner + k] += w[i] * in[(p * n + i) * inner + k];
    }
    free(w);
    return out;
}

float *bai_resized(const float *in, const bai_grids *g, int kernel)
{
    int64_t D = g->width, from = g->rows * g->columns * D, to = g->to_rows * g->to_columns * D;
    float *out = room(g->lead * D + to);
    double *x = malloc((size_t)from * sizeof *x), *y = NULL, *z = NULL;
    for (int64_t i = 0; x && i < from; i++)
        x[i] = (double)in[g->lead * D + i];
    if (x)
        y = along(x, g->rows, g->columns, g->to_columns, D, kernel);
    if (y)
        z = along(y, 1, g->rows, g->to_rows, g->to_columns * D, kernel);
    if (out && z) {
        memcpy(out, in, (size_t)(g->lead * D) * sizeof *out);
        for (int64_t i = 0; i < to; i++)
            out[g->lead * D + i] = (float)z[i];
    }
    if (!z) {
        free(out);
        out = NULL;
    }
    free(x);
    free(y);
    free(z);
    return out;
}
