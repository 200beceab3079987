/* sound: clips in one folder per class (.wav, .ogg, .flac and what else libsndfile reads), as the log-mel spectrograms that the Audio
 * Spectrogram Transformer sees. Train and test are two folders, or one fold against the others, as ESC-50's file names tell them.
 *
 * Classes are the folders in byte order, or with `labels = names` the last number of ESC-50's file names, from 0 on without a gap. Those of a class are in byte order of
 * their paths. Several channels become one, their mean; what follows is the core's front end. */
#include <stdlib.h>
#include <string.h>

#include "sound.h"

enum { MAX_FILE = 1 << 28 };

static void close_sound(const ba_host *h, void *self)
{
    sound *s = self;
    if (!s)
        return;
    h->data->files_close(s->files);
    for (int64_t i = 0; s->classes && i < s->n_classes; i++)
        free(s->classes[i]);
    free(s->classes);
    free(s->clips);
    free(s);
}

static int list(sound *s, const char *split, ba_err *e)
{
    s->files = s->d->files_open(s->p->path, e);
    if (!s->files)
        return e ? e->code : BA_EDATA;
    sound_find_top(s);
    return sound_list(s, !strcmp(split, "test"), e);
}

static int open_sound(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const params *p = given;
    int status = sound_able(h, e);
    sound *s = status < 0 ? NULL : calloc(1, sizeof *s);
    if (!s)
        return status < 0 ? status : BA_FAIL(h, e, BA_EMACHINE, "sound: no memory");
    *s = (sound){ .h = h, .d = h->data, .p = p, .bins = p->bins, .frames = p->frames };
    status = list(s, split, e);
    if (status < 0) {
        close_sound(h, s);
        return status;
    }
    s->p = NULL;
    *self = s;
    facts->count = s->count;
    facts->classes = s->n_classes;
    facts->class_names = (const char *const *)s->classes;
    facts->rows = s->bins;
    facts->columns = s->frames;
    return BA_OK;
}

static int read_wave(const sound *s, int64_t file, const char *name, wave *w, ba_err *e)
{
    int64_t n = s->d->file_size(s->files, file);
    if (n > MAX_FILE)
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: %lld bytes; at most 256 MiB expected", name, (long long)n);
    void *bytes = malloc((size_t)n + 1);
    if (!bytes)
        return BA_FAIL(s->h, e, BA_EMACHINE, "%.400s: no memory for %lld bytes", name, (long long)n);
    int status = s->d->file_read(s->files, file, 0, n, bytes, e);
    if (status >= 0)
        status = sound_decode(s, bytes, n, name, w, e);
    free(bytes);
    return status;
}

static int read_clip(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const sound *s = self;
    wave w = { 0 };
    ba_err why = { 0 };
    char name[512];
    h->data->file_label(s->files, s->clips[i].file, name, sizeof name);
    int status = read_wave(s, s->clips[i].file, name, &w, e);
    if (status >= 0 && (status = h->data->spectrum(w.x, w.n, w.rate, s->bins, s->frames, out, &why)) < 0)
        BA_FAIL(h, e, status, "%.300s: %.200s", name, why.msg);
    free(w.x);
    out->label = s->clips[i].label;
    return status;
}

static const char *const label_kinds[] = { "folders", "names", NULL };
static const ba_data_ops ops = { .size = sizeof ops, .open = open_sound, .read = read_clip, .close = close_sound, .channels = 1 };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(DATA), .name = "sound", .version = "1.0", .ops = &ops,
    .doc = "sounds in one folder per class, as log-mel spectrograms: below train/ and test/, or split by the folds of ESC-10 and ESC-50",
    .cite = "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, 2015; front end: Gong et al., AST, 2021",
    BA_PARAMS(params,
        BA_STRING(params, path, "", "folder, .tar or .tar.gz with the clips (.wav, .ogg, .flac and what else libsndfile reads)"),
        BA_INT(params, fold, 0, 0, 1000, NULL, "the test split: clips whose names begin with this number (1-100032-A.ogg), train: all others; 0: folders train and test"),
        BA_CHOICE(params, labels, FOLDERS, label_kinds, "classes: folders, or the last number of the files' names, as ESC-50 has them (1-100032-A-0.wav)"),
        BA_INT(params, bins, 128, 8, 512, NULL, "rows of the spectrogram: mel filters from 20 to 8000 Hz"),
        BA_INT(params, frames, 512, 1, 16384, NULL, "columns, 10 ms each; longer clips are cut, shorter ones filled up with zeros"),
        BA_INT(params, limit, 0, 0, 1000000000, "clips", "use only so many of each class, the first ones; 0: all")),
};
