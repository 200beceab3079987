/* sound: the front end against float64 values, resampling of tones whose values are known, masks, and the plugin on trees of clips that are
 * written here; damaged and strange clips are one line each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "../reference/golden_sound.h"
#include "data/augment.h"
#include "data/spectrum.h"
#include "help.h"

extern const ba_plugin_desc plugin_sound, plugin_scenes;

static ba_err e;
static char where[2048];

static const char *in_scratch(const char *name)
{
    snprintf(where, sizeof where, "%s/%s", scratch(), name);
    return where;
}

/* ---- the front end ---- */

static float *golden_wave(int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(0.5 * sin(2 * M_PI * 440 * (double)i / 16000) + 0.25 * ((double)(7919 * i % 1000) / 1000 - 0.5));
    return x;
}

static void golden_case(const char *name, int64_t n, int64_t bins, const golden_energy *want, size_t count, double mean, int frames)
{
    int64_t columns = frames + 14;
    float *x = golden_wave(n), *y = malloc((size_t)(bins * columns) * sizeof *y);
    double sum = 0, worst = 0;
    CHECK(bai_spectrum(x, n, 16000, bins, columns, y, &e) == BA_OK, "%s: %s", name, e.msg);
    for (size_t k = 0; k < count; k++)
        worst = fmax(worst, fabs((double)y[want[k].bin * columns + want[k].frame] - want[k].v));
    CHECK(worst < 5e-6, "%s: %g off", name, worst);
    for (int64_t b = 0; b < bins; b++)
        for (int64_t t = 0; t < columns; t++) {
            sum += (double)y[b * columns + t];
            CHECK(t < frames || y[b * columns + t] == 0, "%s: bin %lld: frame %lld is filled up with %g", name, (long long)b, (long long)t, y[b * columns + t]);
        }
    CHECK(fabs(sum / (double)(bins * frames) - mean) < 1e-6, "%s: mean %.9g is not %.9g", name, sum / (double)(bins * frames), mean);
    float *cut = malloc((size_t)(bins * 7) * sizeof *cut);
    CHECK(bai_spectrum(x, n, 16000, bins, 7, cut, &e) == BA_OK, "%s", e.msg);
    for (int64_t b = 0; b < bins; b++)
        CHECK(!memcmp(cut + b * 7, y + b * columns, 7 * sizeof *y), "%s: bin %lld of a cut sound", name, (long long)b);
    free(cut);
    free(x);
    free(y);
}

static void golden(void)
{
    golden_case("five seconds", 80000, 128, five_seconds, sizeof five_seconds / sizeof *five_seconds, five_seconds_mean, five_seconds_frames);
    golden_case("40 bins", 16123, 40, short_of_frames, sizeof short_of_frames / sizeof *short_of_frames, short_of_frames_mean, short_of_frames_frames);
    check_group("log-mel energies");
}

/* What a tone of so many hertz becomes, away from the ends: the largest difference from the same tone at 16 kHz. */
static double tone_error(int64_t rate, double hertz, double *loudest)
{
    int64_t n = rate / 4, m = bai_resampled(n, rate, 16000);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)m * sizeof *y);
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)sin(2 * M_PI * hertz * (double)i / (double)rate + 0.3);
    CHECK(bai_resample(x, n, rate, 16000, y, &e) == BA_OK, "%s", e.msg);
    *loudest = 0;
    for (int64_t i = 1000; i < m - 1000; i++) {
        worst = fmax(worst, fabs((double)y[i] - sin(2 * M_PI * hertz * (double)i / 16000 + 0.3)));
        *loudest = fmax(*loudest, fabs((double)y[i]));
    }
    free(x);
    free(y);
    return worst;
}

static void resampling(void)
{
    static const int64_t rates[] = { 8000, 11025, 16000, 22050, 24000, 44100, 44101, 48000, 96000 };
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        double loudest, top = rates[k] < 16000 ? 0.43 * (double)rates[k] : 6900;
        for (double f = 0; f <= top; f += top / 4) {
            double worst = tone_error(rates[k], f, &loudest);
            CHECK(worst < 3e-5, "%lld Hz: a tone of %g Hz is %g off", (long long)rates[k], f, worst);
        }
        if (rates[k] > 20000)
            for (double f = 8300; f < (double)rates[k] / 2; f += 1234) {
                tone_error(rates[k], f, &loudest);
                CHECK(loudest < 3e-5, "%lld Hz: of a tone of %g Hz %g is left", (long long)rates[k], f, loudest);
            }
    }
    CHECK(bai_resampled(441, 44100, 16000) == 160 && bai_resampled(442, 44100, 16000) == 161 && bai_resampled(5, 16000, 16000) == 5, "counts");
    check_group("resampling");
}

static void refused_sounds(void)
{
    static const struct { int64_t n, rate, bins, frames; float bad; const char *says; } all[] = {
        { 399, 16000, 128, 10, 0, "at least 25 ms" }, { 0, 16000, 128, 10, 0, "0 samples" }, { 800, 999, 128, 10, 0, "999 samples a second" },
        { 800, 768001, 128, 10, 0, "768001 samples a second" }, { 800, 16000, 7, 10, 0, "7 bins" }, { 800, 16000, 513, 10, 0, "513 bins" },
        { 800, 16000, 128, 0, 0, "0 frames" }, { 800, 16000, 128, 16385, 0, "16385 frames" }, { 800, 16000, 128, 10, NAN, "sample 3 of the sound is" },
        { 800, 16000, 128, 10, INFINITY, "sample 3 of the sound is" }, { (int64_t)BAI_MAX_SOUND + 1, 16000, 128, 10, 0, "samples; 1 to" },
    };
    float x[800] = { 0 }, y[1280];
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        x[3] = all[k].bad;
        CHECK(bai_spectrum(x, all[k].n, all[k].rate, all[k].bins, all[k].frames, y, &e) < 0 && strstr(e.msg, all[k].says), "%s: %s", all[k].says, e.msg);
    }
    x[3] = 0;
    CHECK(bai_resample(x, 800, 767999, 16000, y, &e) < 0 && strstr(e.msg, "767999 samples a second") && strstr(e.msg, "a usual rate"), "%s", e.msg);
    CHECK(bai_resample(x, 800, 768000, 16000, y, &e) == BA_OK, "%s", e.msg);
    CHECK(bai_spectrum(x, 400, 16000, 128, 10, y, &e) == BA_OK && fabs((double)y[0] + 15.942385) < 1e-5, "silence: %s %g", e.msg, y[0]);
    check_group("sounds that have no spectrogram");
}

/* ---- masks ---- */

enum { ROWS = 32, COLUMNS = 80 };

/* How many rows and columns are 0 throughout; -1: something else is 0, or has changed. */
static int masked(const float *x, int *columns)
{
    int r0 = 0, c0 = 0, zeros = 0;
    for (int r = 0; r < ROWS; r++) {
        int n = 0;
        for (int c = 0; c < COLUMNS; c++)
            n += x[r * COLUMNS + c] == 0;
        r0 += n == COLUMNS;
        zeros += n;
    }
    for (int c = 0; c < COLUMNS; c++) {
        int n = 0;
        for (int r = 0; r < ROWS; r++)
            n += x[r * COLUMNS + c] == 0;
        c0 += n == ROWS;
    }
    *columns = c0;
    return zeros == r0 * COLUMNS + c0 * ROWS - r0 * c0 ? r0 : -1;
}

static void masks(void)
{
    ba_loader_options o;
    double rows = 0, columns = 0;
    int N = 4000, most_rows = 0, most_columns = 0, edges = 0;
    ba_loader_defaults(&o);
    o.augment.frequency_mask = 12;
    o.augment.time_mask = 30;
    for (int i = 0; i < N; i++) {
        float x[ROWS * COLUMNS], again[ROWS * COLUMNS];
        int c, r;
        for (int k = 0; k < ROWS * COLUMNS; k++)
            x[k] = again[k] = 1;
        bai_augment_spectrum(&o.augment, ROWS, COLUMNS, 5, (uint32_t)i % 3, i, x);
        bai_augment_spectrum(&o.augment, ROWS, COLUMNS, 5, (uint32_t)i % 3, i, again);
        CHECK(!memcmp(x, again, sizeof x), "sample %d is masked otherwise when it is masked again", i);
        r = masked(x, &c);
        CHECK(r >= 0 && r < 12 && c < 30, "sample %d: %d rows, %d columns", i, r, c);
        rows += r;
        columns += c;
        most_rows = r > most_rows ? r : most_rows;
        most_columns = c > most_columns ? c : most_columns;
        edges += x[(ROWS - 1) * COLUMNS] == 0;
    }
    CHECK(most_rows == 11 && most_columns == 29 && edges > 0, "widest: %d rows, %d columns; at the edge %d", most_rows, most_columns, edges);
    CHECK(fabs(rows / N - 5.5) < 0.3 && fabs(columns / N - 14.5) < 0.7, "mean widths %g, %g: 5.5 and 14.5 expected", rows / N, columns / N);
    o.augment.frequency_mask = o.augment.time_mask = 0;
    float one[ROWS * COLUMNS];
    for (int k = 0; k < ROWS * COLUMNS; k++)
        one[k] = 1;
    bai_augment_spectrum(&o.augment, ROWS, COLUMNS, 5, 0, 0, one);
    int c;
    CHECK(masked(one, &c) == 0 && c == 0, "masks of nothing");
    check_group("masks");
}

/* ---- clips ---- */

static void little(bytes *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++, v >>= 8)
        bytes_add(b, &(uint8_t){ (uint8_t)v }, 1);
}

/* A RIFF file of n frames; what = 1: 16-bit integers, 3: floats. Channel c holds the tone times (c + 1). */
static bytes wav(int what, int channels, int rate, int64_t n, double hertz, double loud)
{
    int width = what == 1 ? 2 : 4;
    bytes b = { 0 };
    bytes_add(&b, "RIFF", 4);
    little(&b, (uint64_t)(36 + n * channels * width), 4);
    bytes_add(&b, "WAVEfmt ", 8);
    little(&b, 16, 4);
    little(&b, (uint64_t)what, 2);
    little(&b, (uint64_t)channels, 2);
    little(&b, (uint64_t)rate, 4);
    little(&b, (uint64_t)(rate * channels * width), 4);
    little(&b, (uint64_t)(channels * width), 2);
    little(&b, (uint64_t)(8 * width), 2);
    bytes_add(&b, "data", 4);
    little(&b, (uint64_t)(n * channels * width), 4);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++) {
            float v = (float)((c + 1) * loud * sin(2 * M_PI * hertz * (double)i / rate));
            uint32_t raw;
            memcpy(&raw, &v, 4);
            little(&b, what == 1 ? (uint64_t)(uint16_t)lrint((double)v * 32768) : raw, width);
        }
    return b;
}

static void put_clip(const char *name, int what, int channels, int rate, double seconds, double hertz)
{
    bytes b = wav(what, channels, rate, (int64_t)(seconds * rate), hertz, 0.25);
    put_file(name, b.p, b.n);
    bytes_end(&b);
}

static ba_dataset *open_sounds(const char *path, const char *split, const char *settings)
{
    return open_data(&plugin_sound, path, split, settings, &e);
}

static void refuse(const char *folder, const char *settings, const char *says)
{
    ba_dataset *d = open_sounds(in_scratch(folder), "test", settings);
    CHECK(!d && strstr(e.msg, says) && !strchr(e.msg, '\n'), "%s %s: \"%s\" expected: %s", folder, settings, says, e.msg);
    ba_dataset_free(d);
}

/* Two classes, two folds: of class c fold f a tone of 500 (c + 1) Hz. */
static void make_tree(void)
{
    put_clip("clips/all/cat/1-10-A.wav", 1, 1, 44100, 0.5, 500);
    put_clip("clips/all/cat/2-11-A.WAV", 3, 1, 16000, 0.3, 500);
    put_clip("clips/all/cat-big/1-12-A.wav", 1, 2, 22050, 0.4, 1000);
    put_clip("clips/all/cat-big/2-13-A.wav", 1, 1, 8000, 0.6, 1000);
    put_clip("clips/all/cat-big/2-14-B.wav", 1, 1, 16000, 0.6, 1000);
    put_file("clips/all/LICENSE.txt", "free", 4);
    put_clip("split/train/b/x.wav", 1, 1, 16000, 0.1, 300);
    put_clip("split/train/a/deep/y.wav", 1, 1, 16000, 0.1, 300);
    put_clip("split/test/a/z.wav", 1, 1, 16000, 0.1, 300);
    put_clip("names/1-1-A-3.wav", 1, 1, 16000, 0.1, 300);
    put_clip("names/2-1-A-0.wav", 1, 1, 16000, 0.1, 300);
    put_clip("names/2-1-B-1.wav", 1, 1, 16000, 0.1, 300);
    put_clip("names/2-1-C-2.wav", 1, 1, 16000, 0.1, 300);
}

/* The loudest row of a spectrogram's first columns. */
static int64_t loudest(const ba_sample *s)
{
    int64_t best = 0;
    for (int64_t r = 1; r < s->rows; r++)
        if (s->values[r * s->columns + 5] > s->values[best * s->columns + 5])
            best = r;
    return best;
}

static void folds(void)
{
    static const struct { const char *split; int64_t label, rows[2]; } want[] = { { "test", 0, { 0, 0 } }, { "test", 1, { 0, 0 } } };
    ba_dataset *d = open_sounds(in_scratch("clips"), "train", "fold=1 bins=64 frames=50"), *t = open_sounds(in_scratch("clips"), "test", "fold=1 bins=64 frames=50");
    ba_sample s;
    CHECK(d && t, "%s", e.msg);
    CHECK(ba_dataset_count(d) == 3 && ba_dataset_count(t) == 2 && ba_dataset_classes(d) == 2, "%lld", (long long)ba_dataset_count(d));
    CHECK(!strcmp(ba_dataset_class(d, 0), "cat") && !strcmp(ba_dataset_class(d, 1), "cat-big"), "classes");
    CHECK(ba_dataset_channels(d) == 1 && ba_dataset_rows(d) == 64 && ba_dataset_columns(d) == 50, "facts");
    int64_t low = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(ba_dataset_read(t, i, &s, &e) == BA_OK && s.label == want[i].label && !s.pixels && s.rows == 64 && s.columns == 50, "%d: %s", i, e.msg);
        low = i ? low : loudest(&s);
        CHECK(i ? loudest(&s) > low + 5 : low > 5, "clip %d: row %lld", i, (long long)loudest(&s));
    }
    CHECK(s.values[49] == 0 && s.values[30] != 0, "0.4 s have 38 frames; the rest is 0");
    for (int i = 1; i < 3; i++) /* one tone at 8, 16 and 22.05 kHz, one of them twice as loud and half as loud */
        CHECK(ba_dataset_read(d, i, &s, &e) == BA_OK && s.label == 1 && llabs(loudest(&s) - low) > 5, "%s", e.msg);
    ba_dataset_free(d);
    ba_dataset_free(t);
    d = open_sounds(in_scratch("split"), "train", "");
    CHECK(d && ba_dataset_count(d) == 2 && !strcmp(ba_dataset_class(d, 1), "b"), "train and test: %s", e.msg);
    ba_dataset_free(d);
    d = open_sounds(in_scratch("clips/all"), "train", "fold=1 limit=1");
    CHECK(d && ba_dataset_count(d) == 2, "limit: %s", e.msg);
    ba_dataset_free(d);
    d = open_sounds(in_scratch("names"), "test", "fold=1 labels=1");
    CHECK(d && ba_dataset_count(d) == 1 && ba_dataset_classes(d) == 4 && !ba_dataset_class(d, 0) && ba_dataset_read(d, 0, &s, &e) == BA_OK && s.label == 3,
          "labels in names: %s", e.msg);
    ba_dataset_free(d);
    check_group("folds, folders and names");
}

/* Two channels are their mean: the file's frames through the front end by hand. */
static void channels(void)
{
    ba_dataset *t = open_sounds(in_scratch("clips"), "test", "fold=1 bins=32 frames=20");
    int64_t n = (int64_t)(0.4 * 22050);
    float *x = malloc((size_t)n * sizeof *x), y[32 * 20];
    ba_sample s;
    for (int64_t i = 0; i < n; i++) {
        double v = 0.25 * sin(2 * M_PI * 1000 * (double)i / 22050);
        x[i] = (float)(((double)lrint((double)(float)v * 32768) + (double)lrint((double)(float)(2 * v) * 32768)) / 65536);
    }
    CHECK(bai_spectrum(x, n, 22050, 32, 20, y, &e) == BA_OK && ba_dataset_read(t, 1, &s, &e) == BA_OK, "%s", e.msg);
    double worst = 0;
    for (int k = 0; k < 32 * 20; k++)
        worst = fmax(worst, fabs((double)(s.values[k] - y[k])));
    CHECK(worst < 1e-5, "%g off", worst);
    free(x);
    ba_dataset_free(t);
    check_group("channels");
}

/* ---- loading ---- */

static ba_loader *loader(ba_dataset *d, int threads, double mask)
{
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.batch = 3;
    o.threads = threads;
    o.augment.policy = BA_AUGMENT_NONE;
    o.augment.frequency_mask = o.augment.time_mask = mask;
    return ba_loader_new(d, &o, &e);
}

static void loading(void)
{
    ba_dataset *d = open_sounds(in_scratch("clips"), "train", "fold=1 bins=32 frames=80");
    float first[2][3 * ROWS * COLUMNS];
    const ba_batch *b;
    ba_sample s;
    for (int k = 0; k < 2; k++) { /* masked, by one thread and by three; memory keeps what is not masked */
        ba_loader *l = loader(d, 1 + 2 * k, 10);
        CHECK(l && ba_loader_start(l, 0, 0, &e) == BA_OK && ba_loader_next(l, &b, &e) == 1, "%s", e.msg);
        CHECK(!b->images && b->values && b->rows == 32 && b->columns == 80 && b->count == 3, "a batch");
        memcpy(first[k], b->values, sizeof first[k]);
        ba_loader_free(l);
    }
    CHECK(!memcmp(first[0], first[1], sizeof first[0]), "threads");
    ba_loader *l = loader(d, 2, 0);
    CHECK(ba_loader_start(l, 0, 0, &e) == BA_OK && ba_loader_next(l, &b, &e) == 1, "%s", e.msg);
    CHECK(memcmp(first[0], b->values, sizeof first[0]), "masks");
    for (int i = 0; i < 3; i++) {
        CHECK(ba_dataset_read(d, b->samples[i], &s, &e) == BA_OK && s.label == b->labels[i], "%s", e.msg);
        CHECK(!memcmp(s.values, b->values + i * 32 * 80, 32 * 80 * sizeof(float)), "sample %d is shown as it is", i);
    }
    ba_loader_free(l);
    char sum[65], other[65];
    CHECK(ba_dataset_hash(d, 0, sum, &e) == 0 && ba_dataset_hash(d, 1, other, &e) == 1 && strcmp(sum, other), "%s", e.msg);
    ba_dataset_free(d);
    check_group("batches");
}

static void refused_uses(void)
{
    ba_dataset *d = open_sounds(in_scratch("clips"), "train", "fold=1 bins=32 frames=80");
    ba_loader_options o;
    uint8_t rgb[3];
    ba_loader_defaults(&o);
    o.batch = 1;
    CHECK(!ba_loader_new(d, &o, &e) && strstr(e.msg, "spectrograms are shown whole"), "crops: %s", e.msg);
    o.augment.policy = BA_AUGMENT_NONE;
    o.augment.time_mask = NAN;
    CHECK(!ba_loader_new(d, &o, &e) && strstr(e.msg, "masks of 0 rows and nan columns"), "%s", e.msg);
    o.augment.time_mask = 0;
    CHECK(ba_dataset_show(d, 0, &o.augment, rgb, &e) < 0 && strstr(e.msg, "has no picture"), "show: %s", e.msg);
    ba_pack_how how = { .size = sizeof how };
    ba_packer *p = ba_packer_new(in_scratch("clips.pack"), &how, &e);
    CHECK(p && ba_packer_split(p, d, "train", &e) < 0 && strstr(e.msg, "only pictures are packed"), "pack: %s", e.msg);
    ba_packer_free(p);
    ba_dataset_free(d);
    d = open_data(&plugin_scenes, NULL, "test", "", &e);
    o.augment.time_mask = 2;
    CHECK(ba_dataset_channels(d) == 3 && !ba_dataset_rows(d) && !ba_loader_new(d, &o, &e) && strstr(e.msg, "these are pictures"), "%s", e.msg);
    ba_dataset_free(d);
    check_group("what is for pictures, or for spectrograms");
}

/* A plugin of ABI 1.2: its table ends before `channels`, and whatever lies behind it is not looked at. One that is content with 1.2 and has them
 * would give a core of 1.2 its values as pixels. */
static void older(void)
{
    ba_data_ops ops = { 0 };
    memcpy(&ops, plugin_scenes.ops, ((const ba_data_ops *)plugin_scenes.ops)->size); /* that plugin's own table may be shorter */
    ba_plugin_desc old = plugin_scenes;
    ops.size = offsetof(ba_data_ops, channels);
    ops.channels = 1;
    old.ops = &ops;
    old.abi_minor = 2;
    CHECK(ba_data_channels(&old) == 3, "%lld", (long long)ba_data_channels(&old));
    ops.size = sizeof ops;
    CHECK(ba_data_channels(&old) == -1 && !ba_dataset_open(&old, &e, "train", &e) && strstr(e.msg, "BA_WANT_MINOR 3"), "spectrograms: %s", e.msg);
    old.abi_minor = 3;
    CHECK(ba_data_channels(&old) == 1, "%lld", (long long)ba_data_channels(&old));
    ops.channels = 4;
    CHECK(ba_data_channels(&old) == -1 && !ba_dataset_open(&old, NULL, "train", &e), "four channels");
    CHECK(ba_data_channels(NULL) == -1, "nothing");
    check_group("plugins of ABI 1.2");
}

/* ---- what is wrong with files ---- */

static void broken_clip(const char *what, const void *p, int64_t n, const char *says)
{
    ba_sample s;
    put_file("broken/x/1-1-A.wav", p, n);
    ba_dataset *d = open_sounds(in_scratch("broken"), "test", "fold=1");
    CHECK(d, "%s", e.msg);
    CHECK(ba_dataset_read(d, 0, &s, &e) < 0 && strstr(e.msg, says) && strstr(e.msg, "1-1-A.wav") && !strchr(e.msg, '\n'), "%s: \"%s\" expected: %s", what, says, e.msg);
    ba_dataset_free(d);
}

static void broken(void)
{
    bytes b = wav(1, 1, 16000, 1000, 500, 0.5), f = wav(3, 1, 16000, 1000, 500, 0.5);
    broken_clip("no sound", "this is no sound at all, only words of some length", 50, "no sound that libsndfile reads");
    broken_clip("nothing", "", 0, "no sound that libsndfile reads");
    broken_clip("head alone", b.p, 44, "cut off: 0 of 2000 bytes of sound are there");
    broken_clip("half of it", b.p, 44 + 1000, "cut off: 1000 of 2000 bytes of sound are there");
    memcpy(b.p + 40, "\0\0\0\0", 4);
    broken_clip("no samples", b.p, 44, "0 of 0 samples are there");
    memcpy(b.p + 40, "\xff\xff\xff\xff", 4);
    broken_clip("a moment of a stream", b.p, 44 + 2 * 399, "at least 25 ms");
    memcpy(b.p + 40, "\xd0\x07\0\0", 4);
    memcpy(f.p + 44 + 400, &(float){ NAN }, 4);
    broken_clip("not a number", f.p, f.n, "sample 100 of the sound is");
    b.p[22] = 65;
    broken_clip("channels", b.p, b.n, "65 channels");
    b.p[22] = 1;
    memcpy(b.p + 24, "\1\0\0\0", 4);
    broken_clip("rate", b.p, b.n, "1 samples a second");
    bytes_end(&b);
    bytes_end(&f);
    put_clip("wrong/cat/10-A.wav", 1, 1, 16000, 0.1, 300);
    put_clip("flat/1-1-A.wav", 1, 1, 16000, 0.1, 300);
    put_file("empty/cat/readme.txt", "x", 1);
    refuse("wrong", "", "is neither below train/ nor below test/");
    refuse("wrong", "fold=1 labels=1", "does not end with the number of its class");
    put_clip("gap/1-1-A-0.wav", 1, 1, 16000, 0.1, 300);
    put_clip("gap/1-2-A-99999.wav", 1, 1, 16000, 0.1, 300);
    refuse("gap", "fold=1 labels=1", "1-2-A-99999.wav is of class 99999, and no clip is of class 1");
    refuse("clips", "fold=3", "fold = 3: no clip is of it");
    refuse("flat", "fold=1", "lies in no folder of a class");
    refuse("empty", "fold=1", "no clips in it");
    refuse("nowhere", "fold=1", "nowhere");
    refuse("split/train", "fold=1", "does not begin with its fold");
    check_group("damaged clips and strange trees");
}

#ifdef HAVE_SNDFILE
#include <sndfile.h>

/* Two seconds of a tone in a format of libsndfile's. */
static bytes coded(int format)
{
    static float x[32000];
    SF_INFO info = { .samplerate = 16000, .channels = 1, .format = format };
    bytes b = { 0 };
    uint8_t block[4096];
    for (int i = 0; i < 32000; i++)
        x[i] = 0.5f * (float)sin(0.2 * i) + 0.2f * (float)(7919LL * i % 1000) / 1000;
    SNDFILE *f = sf_open(in_scratch("coded"), SFM_WRITE, &info);
    CHECK(f && sf_writef_float(f, x, 32000) == 32000 && !sf_close(f), "format %x", (unsigned)format);
    FILE *in = fopen(in_scratch("coded"), "rb");
    for (size_t n; in && (n = fread(block, 1, sizeof block, in)) > 0;)
        bytes_add(&b, block, (int64_t)n);
    if (in)
        fclose(in);
    return b;
}

static int readable(const bytes *b)
{
    ba_sample s;
    put_file("coded-clips/x/1-1-A.flac", b->p, b->n);
    ba_dataset *d = open_sounds(in_scratch("coded-clips"), "test", "fold=1 frames=90");
    int status = d ? ba_dataset_read(d, 0, &s, &e) : BA_EDATA;
    ba_dataset_free(d);
    return status == BA_OK;
}

/* Halves of files, and heads that do not say how much follows. */
static void lengths(void)
{
    static const struct { int format; const char *says; } all[] = {
        { SF_FORMAT_WAV | SF_FORMAT_PCM_16, "cut off: " }, { SF_FORMAT_RF64 | SF_FORMAT_PCM_16, "cut off: " },
        { SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, "cut off: " }, { SF_FORMAT_AIFF | SF_FORMAT_PCM_16, "cut off: " },
        { SF_FORMAT_AU | SF_FORMAT_PCM_16, "cut off: " }, { SF_FORMAT_OGG | SF_FORMAT_VORBIS, "cut off: " }, { SF_FORMAT_FLAC | SF_FORMAT_PCM_16, "samples" },
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        bytes b = coded(all[k].format);
        CHECK(readable(&b), "format %x: %s", (unsigned)all[k].format, e.msg);
        for (int64_t n = b.n / 2; n < b.n; n += b.n / 2 - 90) {
            broken_clip("cut off", b.p, n, all[k].says);
            CHECK(!strstr(e.msg, "9223372036854775807"), "%s", e.msg);
        }
        if (!memcmp(b.p, "fLaC", 4)) { /* 36 bits of STREAMINFO are the number of samples, 0: not known */
            b.p[21] &= 0xf0;
            memset(b.p + 22, 0, 4);
            CHECK(readable(&b), "unknown length: %s", e.msg);
            broken_clip("unknown length, cut off", b.p, b.n / 2, "samples");
        }
        bytes_end(&b);
    }
    check_group("lengths");
}
/* The first energies of a file that can be read; `columns` of them. */
static int energies(const bytes *b, float *out, int columns)
{
    ba_sample s;
    put_file("piped/x/1-1-A.wav", b->p, b->n);
    ba_dataset *d = open_sounds(in_scratch("piped"), "test", "fold=1 bins=8 frames=250");
    int status = d ? ba_dataset_read(d, 0, &s, &e) : BA_EDATA;
    for (int k = 0; status == BA_OK && k < columns; k++)
        out[k] = s.values[k];
    ba_dataset_free(d);
    return status == BA_OK;
}

static void put_number(uint8_t *p, uint64_t v, int n, int big)
{
    for (int i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * (big ? n - 1 - i : i));
}

/* Files whose writers could not go back to the head: the size of all and that of the sound are not known. They are read as those that say it. */
static void streams(void)
{
    static const struct { int format; const char *chunk; uint64_t all, sound; int at, width; } every[] = {
        { SF_FORMAT_WAV, "data", 0, 0, 4, 4 }, { SF_FORMAT_WAV, "data", UINT32_MAX, UINT32_MAX, 4, 4 }, { SF_FORMAT_WAV, "data", 36, 0, 4, 4 },
        { SF_FORMAT_WAV, "data", 0x7ffff024, 0x7ffff000, 4, 4 }, { SF_FORMAT_WAV | SF_ENDIAN_BIG, "data", 0, 0, 4, 4 },
        { SF_FORMAT_RF64, "ds64", 0, 0, 16, 8 }, { SF_FORMAT_AIFF, "SSND", 0x7f00002e, 0x7f000008, 4, 4 }, { SF_FORMAT_AU, ".snd", 24, UINT32_MAX, 8, 4 },
    };
    float want[250], got[250];
    for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
        bytes b = coded(every[k].format | SF_FORMAT_PCM_16);
        int big = (every[k].format & SF_ENDIAN_BIG) || every[k].format == SF_FORMAT_AIFF || every[k].format == SF_FORMAT_AU;
        uint8_t *chunk = memmem(b.p, (size_t)(b.n < 4000 ? b.n : 4000), every[k].chunk, 4);
        CHECK(chunk && energies(&b, want, 250), "format %x: %s", (unsigned)every[k].format, e.msg);
        if (!chunk)
            continue;
        put_number(every[k].width == 8 ? chunk + 8 : b.p + 4, every[k].all, every[k].width, big);
        put_number(chunk + every[k].at, every[k].sound, every[k].width, big);
        CHECK(energies(&b, got, 250) && !memcmp(got, want, sizeof got), "format %x, sizes %llx and %llx: %s", (unsigned)every[k].format,
              (unsigned long long)every[k].all, (unsigned long long)every[k].sound, e.msg);
        bytes_end(&b);
    }
    check_group("streams");
}
#else
static void lengths(void) { }
static void streams(void) { }
#endif

/* Changed bytes: a spectrogram of finite numbers, or one line. */
static void mutations(void)
{
    uint64_t state = 77;
    int read = 0, N = 300;
    ba_sample s;
    for (int k = 0; k < N; k++) {
        bytes b = wav(k % 2 ? 1 : 3, 1 + k % 3, 11025, 600, 500, 0.2);
        for (uint32_t i = next_random(&state) % 4; i < 4; i++)
            b.p[next_random(&state) % (k % 3 ? 44 : (uint32_t)b.n)] = (uint8_t)next_random(&state);
        put_file("mutant/x/1-1-A.wav", b.p, next_random(&state) % 5 ? b.n : next_random(&state) % b.n);
        bytes_end(&b);
        ba_dataset *d = open_sounds(in_scratch("mutant"), "test", "fold=1 bins=16 frames=10");
        int status = ba_dataset_read(d, 0, &s, &e);
        read += status == BA_OK;
        CHECK(status == BA_OK || (*e.msg && !strchr(e.msg, '\n')), "mutant %d: %s", k, e.msg);
        ba_dataset_free(d);
    }
    CHECK(read > N / 20 && read < N, "%d of %d were read", read, N);
    check_group("changed bytes");
}

int main(void)
{
    golden();
    resampling();
    refused_sounds();
    masks();
    older();
    make_tree();
    ba_dataset *d = open_sounds(in_scratch("clips"), "train", "fold=1");
    int able = d || !strstr(e.msg, "without libsndfile");
    ba_dataset_free(d);
    if (able) {
        folds();
        channels();
        loading();
        refused_uses();
        broken();
        lengths();
        streams();
        mutations();
    } else
        check_skip("clips", e.msg);
    scratch_end();
    return check_done();
}
