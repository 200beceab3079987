/* spectrum: log-mel energies of a sound: windows of 25 ms every 10 ms, each without its mean, pre-emphasised, under a Hann window, as power
 * over triangles that are equally wide in mel, as torchaudio's Kaldi fbank makes them for AST. In double; the result is a function of the sound alone. */
#include "spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 400, SHIFT = 160, POINTS = 512, HALF = POINTS / 2, MOST_BINS = 512, MOST_FRAMES = 16384 };
#define LOWEST 20.0            /* Hz, where the first triangle begins; the last ends at half the rate */
#define EMPHASIS 0.97
#define LEAST 1.1920928955078125e-7 /* energies below count as this much */

typedef struct front {         /* what all windows share */
    double window[WINDOW], cosine[HALF], sine[HALF];
    double weight[2][HALF];    /* of a bin of the power: in the triangle that falls there, and in the one that rises */
    int rising[HALF];          /* the number of the rising one, -1 to bins: those two are none */
    double real[POINTS], imaginary[POINTS], power[HALF], energy[MOST_BINS];
} front;

static double mel(double hertz)
{
    return 1127 * log(1 + hertz / 700);
}

/* Triangle b rises from edge b to b+1 and falls to b+2, in mel; between two edges one falls and the next rises. */
static void make_triangles(front *f, int64_t bins)
{
    double low = mel(LOWEST), step = (mel(BAI_SOUND_RATE / 2.0) - low) / (double)(bins + 1);
    for (int k = 0; k < HALF; k++) {
        double place = (mel((double)k * BAI_SOUND_RATE / POINTS) - low) / step, below = floor(place);
        int inside = place > 0 && below <= (double)bins;
        f->rising[k] = inside ? (int)below : -1;
        f->weight[1][k] = inside && below < (double)bins ? place - below : 0;
        f->weight[0][k] = inside && below >= 1 ? 1 - (place - below) : 0;
    }
}

static void make_front(front *f, int64_t bins)
{
    for (int i = 0; i < WINDOW; i++)
        f->window[i] = 0.5 - 0.5 * cos(2 * M_PI * i / (WINDOW - 1));
    for (int i = 0; i < HALF; i++) {
        f->cosine[i] = cos(2 * M_PI * i / POINTS);
        f->sine[i] = sin(2 * M_PI * i / POINTS);
    }
    make_triangles(f, bins);
}

/* In place, radix 2; the input is in its natural order. */
static void transform(front *f)
{
    double *re = f->real, *im = f->imaginary;
    for (int i = 1, j = 0; i < POINTS; i++) {
        int bit = POINTS / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double t = re[i]; /* all imaginary parts are 0 still */
            re[i] = re[j];
            re[j] = t;
        }
    }
    for (int half = 1; half < POINTS; half *= 2)
        for (int from = 0; from < POINTS; from += 2 * half)
            for (int k = 0; k < half; k++) {
                double c = f->cosine[k * (HALF / half)], s = f->sine[k * (HALF / half)];
                int a = from + k, b = a + half;
                double x = re[b] * c + im[b] * s, y = im[b] * c - re[b] * s;
                re[b] = re[a] - x;
                im[b] = im[a] - y;
                re[a] += x;
                im[a] += y;
            }
}

/* The power of a window that begins at x. */
static void power_of(front *f, const float *x, double mean)
{
    double own = 0;
    for (int i = 0; i < WINDOW; i++)
        own += (double)x[i] - mean;
    own /= WINDOW;
    memset(f->real, 0, sizeof f->real);
    memset(f->imaginary, 0, sizeof f->imaginary);
    for (int i = 0; i < WINDOW; i++) {
        double now = (double)x[i] - mean - own, before = (double)x[i ? i - 1 : 0] - mean - own;
        f->real[i] = (now - EMPHASIS * before) * f->window[i];
    }
    transform(f);
    for (int k = 0; k < HALF; k++)
        f->power[k] = f->real[k] * f->real[k] + f->imaginary[k] * f->imaginary[k];
}

static void add_frame(front *f, int64_t bins, int64_t frames, int64_t t, float *out)
{
    memset(f->energy, 0, sizeof f->energy);
    for (int k = 0; k < HALF; k++) {
        int b = f->rising[k];
        if (b >= 1)
            f->energy[b - 1] += f->weight[0][k] * f->power[k];
        if (b >= 0 && b < bins)
            f->energy[b] += f->weight[1][k] * f->power[k];
    }
    for (int64_t b = 0; b < bins; b++)
        out[b * frames + t] = (float)log(f->energy[b] > LEAST ? f->energy[b] : LEAST);
}

/* x: at 16 kHz. */
static int energies(const float *x, int64_t n, int64_t bins, int64_t frames, float *out, ba_err *e)
{
    front *f = malloc(sizeof *f);
    double mean = 0;
    if (!f)
        return ba_fail(e, BA_EMACHINE, "spectrum: no memory");
    make_front(f, bins);
    for (int64_t i = 0; i < n; i++)
        mean += (double)x[i];
    mean /= (double)n;
    memset(out, 0, (size_t)(bins * frames) * sizeof *out);
    for (int64_t t = 0; t < frames && t * SHIFT + WINDOW <= n; t++) {
        power_of(f, x + t * SHIFT, mean);
        add_frame(f, bins, frames, t, out);
    }
    free(f);
    return BA_OK;
}

static int judge(const float *sound, int64_t n, int64_t rate, int64_t bins, int64_t frames, ba_err *e)
{
    if (rate < 1000 || rate > 768000)
        return ba_fail(e, BA_EDATA, "%lld samples a second; 1000 to 768000 expected", (long long)rate);
    if (bins < 8 || bins > MOST_BINS || frames < 1 || frames > MOST_FRAMES)
        return ba_fail(e, BA_EARG, "%lld bins and %lld frames; 8 to %d and 1 to %d expected", (long long)bins, (long long)frames, MOST_BINS, MOST_FRAMES);
    if (!sound || n < 1 || n > BAI_MAX_SOUND || bai_resampled(n, rate, BAI_SOUND_RATE) > BAI_MAX_SOUND)
        return ba_fail(e, BA_EDATA, "a sound of %lld samples; 1 to %d expected", (long long)n, BAI_MAX_SOUND);
    if (bai_resampled(n, rate, BAI_SOUND_RATE) < WINDOW)
        return ba_fail(e, BA_EDATA, "a sound of %.3g ms; at least 25 ms, one window, expected", 1e3 * (double)n / (double)rate);
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(sound[i]) <= 1e6f))
            return ba_fail(e, BA_EDATA, "sample %lld of the sound is %g; numbers of about -1 to 1 expected", (long long)i, sound[i]);
    return BA_OK;
}

int bai_spectrum(const float *sound, int64_t n, int64_t rate, int64_t bins, int64_t frames, float *out, ba_err *e)
{
    int status = judge(sound, n, rate, bins, frames, e);
    if (status < 0)
        return status;
    if (rate == BAI_SOUND_RATE)
        return energies(sound, n, bins, frames, out, e);
    int64_t m = bai_resampled(n, rate, BAI_SOUND_RATE);
    float *x = malloc((size_t)m * sizeof *x);
    if (!x)
        return ba_fail(e, BA_EMACHINE, "spectrum: no memory for %lld samples", (long long)m);
    status = bai_resample(sound, n, rate, BAI_SOUND_RATE, x, e);
    if (status >= 0)
        status = energies(x, m, bins, frames, out, e);
    free(x);
    return status;
}
