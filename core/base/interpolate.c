/* interpolate: bilinear; bicubic with a = -0.75 and borders repeated; bicubic against aliasing with a = -0.5 and borders cut; bicubic with
 * DINO's step, which comes from a scale factor a tenth too large; and AST's way: bilinear where a row grows, the middle where it shrinks. */
#include "interpolate.h"

#include <math.h>

static double cubic(double a, double u)
{
    u = fabs(u);
    return u <= 1 ? (a + 2) * u * u * u - (a + 3) * u * u + 1 : u < 2 ? a * u * u * u - 5 * a * u * u + 8 * a * u - 4 * a : 0;
}

static int64_t inside(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static void bilinear(int64_t in, int64_t out, int64_t o, double *w)
{
    double x = fmax(((double)o + 0.5) * (double)in / (double)out - 0.5, 0);
    int64_t at = inside((int64_t)x, in);
    w[at] += 1 - (x - (double)at);
    w[inside(at + 1, in)] += x - (double)at;
}

static void bicubic(double step, int64_t in, int64_t o, double *w)
{
    double x = step * ((double)o + 0.5) - 0.5, t = x - floor(x);
    for (int64_t k = -1; k <= 2; k++)
        w[inside((int64_t)floor(x) + k, in)] += cubic(-0.75, t - (double)k);
}

static void antialias(int64_t in, int64_t out, int64_t o, double *w)
{
    double s = (double)in / (double)out, m = fmax(s, 1), c = s * ((double)o + 0.5), sum = 0;
    int64_t low = (int64_t)fmax(trunc(c - 2 * m + 0.5), 0), high = (int64_t)fmin(trunc(c + 2 * m + 0.5), (double)in);
    for (int64_t j = low; j < high; j++)
        sum += w[j] = cubic(-0.5, ((double)j - c + 0.5) / m);
    for (int64_t j = low; j < high; j++)
        w[j] /= sum;
}

void bai_interpolate(int kernel, int64_t in, int64_t out, int64_t o, double *w)
{
    for (int64_t j = 0; j < in; j++)
        w[j] = 0;
    if (kernel == BAI_BICUBIC)
        bicubic((double)in / (double)out, in, o, w);
    else if (kernel == BAI_DINO)
        bicubic((double)in / ((double)out + 0.1), in, o, w);
    else if (kernel == BAI_ANTIALIAS)
        antialias(in, out, o, w);
    else if (kernel == BAI_CROP && out < in)
        w[in / 2 - out / 2 + o] = 1;
    else
        bilinear(in, out, o, w);
}
