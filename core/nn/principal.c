/* principal: the main directions of a cloud of points: the singular vectors of the centred rows, as eigenvectors of their covariance, by Jacobi's
 * rotations in double. The sign of each is that which makes its largest entry positive, so that a file made twice is the same. */
#include "bauta/principal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 60 };

static void mean_of(const float *x, int64_t n, int64_t d, double *mean)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            mean[j] += (double)x[i * d + j] / (double)n;
}

/* Sum over rows of (x - mean)^T (x - mean), all of it. */
static void scatter_of(const float *x, int64_t n, int64_t d, const double *mean, double *row, double *s)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++)
            row[j] = (double)x[i * d + j] - mean[j];
        for (int64_t j = 0; j < d; j++)
            for (int64_t k = 0; k <= j; k++)
                s[j * d + k] += row[j] * row[k];
    }
    for (int64_t j = 0; j < d; j++)
        for (int64_t k = 0; k < j; k++)
            s[k * d + j] = s[j * d + k];
}

/* Turns rows p and q of the symmetric s, and of v, so that s[p][q] becomes 0. */
static void rotate(double *s, double *v, int64_t d, int64_t p, int64_t q)
{
    double theta = (s[q * d + q] - s[p * d + p]) / (2 * s[p * d + q]);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), sine = t * c;
    for (int64_t k = 0; k < d; k++) {
        double a = s[k * d + p], b = s[k * d + q];
        s[k * d + p] = c * a - sine * b;
        s[k * d + q] = sine * a + c * b;
    }
    for (int64_t k = 0; k < d; k++) {
        double a = s[p * d + k], b = s[q * d + k], e = v[p * d + k], f = v[q * d + k];
        s[p * d + k] = c * a - sine * b;
        s[q * d + k] = sine * a + c * b;
        v[p * d + k] = c * e - sine * f;
        v[q * d + k] = sine * e + c * f;
    }
}

/* s becomes diagonal, v its eigenvectors as rows. */
static void diagonalise(double *s, double *v, int64_t d)
{
    double whole = 0;
    for (int64_t i = 0; i < d; i++)
        v[i * d + i] = 1;
    for (int64_t i = 0; i < d * d; i++)
        whole += s[i] * s[i];
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0;
        for (int64_t p = 0; p < d; p++)
            for (int64_t q = p + 1; q < d; q++)
                off += 2 * s[p * d + q] * s[p * d + q];
        if (off <= 1e-24 * whole)
            return;
        for (int64_t p = 0; p < d; p++)
            for (int64_t q = p + 1; q < d; q++)
                if (s[p * d + q] * s[p * d + q] > 1e-30 * whole / (double)(d * d))
                    rotate(s, v, d, p, q);
    }
}

/* Vector `at` of v as column `column` of basis [d,d]. */
static void put(const double *v, int64_t d, int64_t at, int64_t column, float *basis)
{
    double top = 0;
    for (int64_t j = 0; j < d; j++)
        if (fabs(v[at * d + j]) > fabs(top) * (1 + 1e-6))
            top = v[at * d + j];
    for (int64_t j = 0; j < d; j++)
        basis[j * d + column] = (float)(top < 0 ? -v[at * d + j] : v[at * d + j]);
}

int ba_principal(const float *x, int64_t n, int64_t d, float *mean, float *basis, float *values, ba_err *e)
{
    if (!x || !mean || !basis || n < 1 || d < 1 || d > 16384)
        return ba_fail(e, BA_EARG, "principal: %lld rows of %lld numbers; at least one of 1 to 16384 expected", (long long)n, (long long)d);
    for (int64_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return ba_fail(e, BA_ENUMERIC, "principal: row %lld holds %g", (long long)(i / d), (double)x[i]);
    double *room = calloc((size_t)(2 * d * d + 2 * d), sizeof *room);
    if (!room)
        return ba_fail(e, BA_EMACHINE, "principal: no memory for %lld numbers", (long long)(2 * d * d));
    double *s = room, *v = s + d * d, *middle = v + d * d, *row = middle + d;
    mean_of(x, n, d, middle);
    scatter_of(x, n, d, middle, row, s);
    diagonalise(s, v, d);
    for (int64_t column = 0; column < d; column++) { /* the largest first */
        int64_t best = -1;
        for (int64_t i = 0; i < d; i++)
            if (best < 0 || s[i * d + i] > s[best * d + best])
                best = i;
        put(v, d, best, column, basis);
        if (values)
            values[column] = (float)sqrt(s[best * d + best] > 0 ? s[best * d + best] : 0);
        s[best * d + best] = -INFINITY;
    }
    for (int64_t j = 0; j < d; j++)
        mean[j] = (float)middle[j];
    free(room);
    return BA_OK;
}
