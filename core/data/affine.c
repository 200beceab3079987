/* affine: shears, shifts and turns. The cubic kernel here is the sharper one (a = -1) of Pillow's Image.transform, not the
 * one of its resize; results are cut off, not rounded. */
#include "pixels.h"

#include "bauta/data.h"

#include <math.h>
#include <string.h>

static int64_t below(double v) /* floor, without a call where the processor has no instruction for it */
{
    int64_t i = (int64_t)v;
    return i - (v < (double)i);
}

static int64_t held(int64_t v, int64_t n)
{
    return v < 0 ? 0 : v >= n ? n - 1 : v;
}

static double cubic(double a, double b, double c, double d, double t)
{
    return b + t * ((c - a) + t * ((2 * (a - b) + c - d) + t * (-a + b - c + d)));
}

static uint8_t cut(double v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v);
}

/* The four values of a row, for the three channels. */
static void row_cubic(const uint8_t *row, const int64_t at[4], double t, double v[3])
{
    const uint8_t *a = row + at[0], *b = row + at[1], *c = row + at[2], *d = row + at[3];
    for (int k = 0; k < 3; k++)
        v[k] = cubic(a[k], b[k], c[k], d[k], t);
}

static void sample_cubic(bai_image in, double x, double y, uint8_t *out)
{
    int64_t ix = below(x), iy = below(y), at[4];
    double v[4][3];
    for (int k = 0; k < 4; k++)
        at[k] = 3 * held(ix - 1 + k, in.columns);
    for (int k = 0; k < 4; k++) {
        int64_t row = iy - 1 + k;
        if (k && (row < 0 || row >= in.rows)) /* a row that does not exist repeats the values before */
            memcpy(v[k], v[k - 1], sizeof v[k]);
        else
            row_cubic(in.p + held(row, in.rows) * in.columns * 3, at, x - (double)ix, v[k]);
    }
    for (int c = 0; c < 3; c++)
        out[c] = cut(cubic(v[0][c], v[1][c], v[2][c], v[3][c], y - (double)iy));
}

static void sample_linear(bai_image in, double x, double y, uint8_t *out)
{
    int64_t ix = below(x), iy = below(y), line = in.columns * 3;
    int64_t left = 3 * held(ix, in.columns), right = 3 * held(ix + 1, in.columns);
    double dx = x - (double)ix, dy = y - (double)iy;
    const uint8_t *p = in.p + held(iy, in.rows) * line, *q = iy + 1 >= 0 && iy + 1 < in.rows ? in.p + (iy + 1) * line : p;
    for (int c = 0; c < 3; c++) {
        double above = p[left + c] + (p[right + c] - p[left + c]) * dx, below = q[left + c] + (q[right + c] - q[left + c]) * dx;
        out[c] = cut(above + (below - above) * dy);
    }
}

void bai_affine(bai_image in, const double m[6], int interpolation, const uint8_t fill[3], uint8_t *out)
{
    for (int64_t j = 0; j < in.rows; j++)
        for (int64_t i = 0; i < in.columns; i++, out += 3) {
            double X = (double)i + 0.5, Y = (double)j + 0.5;
            double x = m[0] * X + m[1] * Y + m[2], y = m[3] * X + m[4] * Y + m[5];
            if (!(x >= 0 && x < (double)in.columns && y >= 0 && y < (double)in.rows))
                memcpy(out, fill, 3);
            else if (interpolation == BA_BILINEAR)
                sample_linear(in, x - 0.5, y - 0.5, out);
            else
                sample_cubic(in, x - 0.5, y - 0.5, out);
        }
}

static double rounded(double v) /* to 15 decimals, so that a quarter turn is one */
{
    return nearbyint(v * 1e15) / 1e15;
}

void bai_rotation(int64_t rows, int64_t columns, double degrees, double m[6])
{
    double t = -degrees * (3.14159265358979323846 / 180), w = (double)columns / 2, h = (double)rows / 2;
    double co = rounded(cos(t)), si = rounded(sin(t));
    m[0] = m[4] = co;
    m[1] = si;
    m[3] = -si;
    m[2] = -w * co - h * si + w;
    m[5] = w * si - h * co + h;
}
