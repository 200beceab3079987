/* resample: a sound at another rate, by a windowed sinc whose phases repeat after L outputs when the rates are as L to M.
 *
 * Output n lies at n M / L samples of the input. The kernel passes what both rates can carry, up to a narrow band below the lower one's
 * half, and reaches ZEROS of its zero crossings to each side. All outputs of one phase share one set of taps, so that no table is kept;
 * sums are in double and in the order of the input. Outside of the sound is silence. */
#include "spectrum.h"

#include <math.h>
#include <stdlib.h>

enum { ZEROS = 48, MOST_TAPS = 1 << 23 }; /* of all phases: about half a second of one clip */
#define ROLLOFF 0.95 /* where the passband's half level lies, as a share of half of the lower rate */
#define BETA 10.0    /* of the Kaiser window: what lies in the stopband is more than 95 dB lower */

static int64_t divisor(int64_t a, int64_t b)
{
    return b ? divisor(b, a % b) : a;
}

/* The modified Bessel function of order 0. */
static double bessel(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

typedef struct rates { int64_t L, M; double cut, reach, middle; } rates; /* cut: the cutoff in cycles a sample, times two; middle: of the window */

/* At a distance of x samples of the input. */
static double kernel(const rates *k, double x)
{
    double r = x / k->reach, t = M_PI * k->cut * x;
    if (fabs(r) >= 1)
        return 0;
    return k->cut * (fabs(t) < 1e-12 ? 1 : sin(t) / t) * bessel(BETA * sqrt(1 - r * r)) / k->middle;
}

int64_t bai_resampled(int64_t n, int64_t from, int64_t to)
{
    int64_t g = divisor(from, to), L = to / g, M = from / g;
    return (n * L + M - 1) / M;
}

/* Outputs first, first + L, ...: all of one phase. taps: room for 2 * reach + 2. */
static void phase(const rates *r, const float *x, int64_t n, int64_t first, int64_t count, double *taps, float *out)
{
    int64_t half = (int64_t)ceil(r->reach), at = first * r->M / r->L; /* the last input not behind the output */
    double rest = (double)(first * r->M % r->L) / (double)r->L;
    for (int64_t k = -half; k <= half + 1; k++)
        taps[k + half] = kernel(r, (double)k - rest);
    for (int64_t o = first; o < count; o += r->L, at += r->M) {
        int64_t from = at - half < 0 ? 0 : at - half, to = at + half + 1 >= n ? n - 1 : at + half + 1;
        double sum = 0;
        for (int64_t i = from; i <= to; i++)
            sum += taps[i - at + half] * (double)x[i];
        out[o] = (float)sum;
    }
}

int bai_resample(const float *x, int64_t n, int64_t from, int64_t to, float *out, ba_err *e)
{
    int64_t g = divisor(from, to), count = bai_resampled(n, from, to);
    rates r = { .L = to / g, .M = from / g, .cut = ROLLOFF * (from > to ? (double)to / (double)from : 1), .middle = bessel(BETA) };
    if (from == to) {
        for (int64_t i = 0; i < n; i++)
            out[i] = x[i];
        return BA_OK;
    }
    r.reach = ZEROS / r.cut;
    int64_t width = 2 * (int64_t)ceil(r.reach) + 2;
    if (r.L * width > MOST_TAPS)
        return ba_fail(e, BA_EDATA, "%lld samples a second: resampling to %lld takes %lld filters of %lld taps, at most %d taps expected; "
            "store the sound at a usual rate", (long long)from, (long long)to, (long long)r.L, (long long)width, MOST_TAPS);
    double *taps = malloc((size_t)width * sizeof *taps);
    if (!taps)
        return ba_fail(e, BA_EMACHINE, "resample: no memory");
    for (int64_t p = 0; p < r.L && p < count; p++)
        phase(&r, x, n, p, count, taps, out);
    free(taps);
    return BA_OK;
}
