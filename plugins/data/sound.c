/* sound: clips in one folder per class (.wav, .ogg, .flac and what else libsndfile reads), as the log-mel spectrograms that the Audio
 * Spectrogram Transformer sees. Train and test are two folders, or one fold against the others, as ESC-50's file names tell them.
 *
 * Classes are the folders in byte order, or with `labels = names` the last number of ESC-50's file names, from 0 on without a gap. Those of a class are in byte order of
 * their paths. Several channels become one, their mean; what follows is the core's front end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BA_WANT_MINOR 3
#include "bauta/data.h"

enum { MAX_NAME = 4096, MAX_CHANNELS = 64, MAX_SAMPLES = 1 << 26, MAX_FILE = 1 << 28, MAX_NUMBER = 99999, BLOCK = 4096 };
enum { FOLDERS, NAMES };
#define STREAMED 0x7ffff000 /* sizes from here on, and 0, are of writers that did not know where they would end */

typedef struct params {
    const char *path;
    int64_t fold, labels, bins, frames, limit;
} params;

typedef struct clip { int64_t file; int32_t label; } clip;

typedef struct sound {
    const ba_host *h;
    const ba_data_host *d;
    const params *p;            /* during open only */
    ba_files *files;
    size_t top;                 /* so many characters stand in front of all names: "esc10/" */
    char **classes;             /* sorted; NULL: numbers */
    int64_t n_classes, room;
    clip *clips;                /* of this split */
    int64_t count, bins, frames;
} sound;

static int no_memory(const sound *s, ba_err *e)
{
    return BA_FAIL(s->h, e, BA_EMACHINE, "sound: no memory for %lld files", (long long)s->d->files_count(s->files));
}

/* ---- decoding ---- */

typedef struct wave { float *x; int64_t n, room, rate; } wave;

#ifdef HAVE_SNDFILE
#include <pthread.h>
#include <sndfile.h>

typedef struct memory { const char *bytes; sf_count_t n, at; } memory; /* a file in memory, as libsndfile looks at it */

static sf_count_t length_of(void *m)
{
    return ((memory *)m)->n;
}

static sf_count_t tell(void *m)
{
    return ((memory *)m)->at;
}

static sf_count_t seek(sf_count_t offset, int whence, void *given)
{
    memory *m = given;
    sf_count_t to = offset + (whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->n : 0);
    m->at = to < 0 ? 0 : to > m->n ? m->n : to;
    return m->at;
}

static sf_count_t get(void *out, sf_count_t n, void *given)
{
    memory *m = given;
    n = n > m->n - m->at ? m->n - m->at : n;
    if (n <= 0)
        return 0;
    memcpy(out, m->bytes + m->at, (size_t)n);
    m->at += n;
    return n;
}

static sf_count_t put(const void *p, sf_count_t n, void *m)
{
    (void)p, (void)n, (void)m;
    return 0;
}

static uint64_t number_at(const char *p, int n, int big)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint64_t)(unsigned char)p[i] << 8 * (big ? n - 1 - i : i);
    return v;
}

/* How many bytes of sound the head of a .wav, .aiff or .au file announces, which begin at *at; 0: it does not say. */
static uint64_t announced(const char *p, int64_t n, int64_t *at)
{
    if (n >= 24 && !memcmp(p, ".snd", 4)) {
        *at = (int64_t)number_at(p + 4, 4, 1);
        return number_at(p + 8, 4, 1);
    }
    int big = n >= 12 && (!memcmp(p, "RIFX", 4) || !memcmp(p, "FORM", 4));
    uint64_t size, wide = 0;
    if (n < 12 || (!big && memcmp(p, "RIFF", 4) && memcmp(p, "RF64", 4)))
        return 0;
    for (*at = 12; n - *at >= 8; *at += (int64_t)(size + (size & 1))) {
        const char *name = p + *at;
        size = number_at(name + 4, 4, big);
        *at += 8;
        if (!memcmp(name, "data", 4) || !memcmp(name, "SSND", 4))
            return size == UINT32_MAX && wide ? wide : size >= STREAMED ? 0 : size;
        if (!memcmp(name, "ds64", 4) && n - *at >= 16)
            wide = number_at(p + *at + 8, 8, 0);
    }
    return 0;
}

/* libsndfile takes what is there of such a file for all of it. */
static int find_whole(const sound *s, const memory *m, const char *name, ba_err *e)
{
    int64_t at = 0;
    uint64_t size = announced(m->bytes, m->n, &at), there = m->n > at ? (uint64_t)(m->n - at) : 0;
    if (size <= there)
        return BA_OK;
    return BA_FAIL(s->h, e, BA_EDATA, "%.400s: cut off: %llu of %llu bytes of sound are there", name, (unsigned long long)there, (unsigned long long)size);
}

static int make_room(const sound *s, wave *w, int64_t room, const char *name, ba_err *e)
{
    float *more = realloc(w->x, (size_t)room * sizeof *more);
    if (!more)
        return BA_FAIL(s->h, e, BA_EMACHINE, "%.400s: no memory for %lld samples", name, (long long)room);
    w->x = more;
    w->room = room;
    return BA_OK;
}

/* Adds the mean of each frame's channels. */
static int add_block(const sound *s, wave *w, const float *x, int64_t n, int channels, const char *name, ba_err *e)
{
    if (w->n + n > MAX_SAMPLES)
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: more than %d samples", name, MAX_SAMPLES);
    if (w->n + n > w->room && make_room(s, w, 2 * (w->n + n), name, e) < 0)
        return BA_EMACHINE;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int c = 0; c < channels; c++)
            sum += (double)x[i * channels + c];
        w->x[w->n + i] = (float)(sum / channels);
    }
    w->n += n;
    return BA_OK;
}

static int read_all(const sound *s, SNDFILE *f, const SF_INFO *info, const char *name, wave *w, ba_err *e)
{
    float *block = malloc((size_t)BLOCK * (size_t)info->channels * sizeof *block);
    int status = block ? BA_OK : BA_FAIL(s->h, e, BA_EMACHINE, "%.400s: no memory", name);
    sf_count_t n = 1;
    if (status >= 0 && info->frames > 0 && info->frames <= MAX_SAMPLES)
        status = make_room(s, w, info->frames, name, e);
    while (status >= 0 && (n = sf_readf_float(f, block, BLOCK)) > 0)
        status = add_block(s, w, block, n, info->channels, name, e);
    free(block);
    if (status < 0)
        return status;
    if (sf_error(f) != SF_ERR_NO_ERROR)
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: %.80s after %lld samples", name, sf_strerror(f), (long long)w->n);
    if (info->frames == SF_COUNT_MAX && ((info->format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG || !w->n))
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: cut off: %lld samples are there, its end is not", name, (long long)w->n);
    if (!w->n || (info->frames != SF_COUNT_MAX && w->n < info->frames)) /* a .flac file need not say how many it has */
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: %lld of %lld samples are there", name, (long long)w->n, (long long)info->frames);
    return BA_OK;
}

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER; /* why a file cannot be opened is one variable of the process */

static int decode(const sound *s, const void *bytes, int64_t n, const char *name, wave *w, ba_err *e)
{
    SF_VIRTUAL_IO io = { .get_filelen = length_of, .seek = seek, .read = get, .write = put, .tell = tell };
    memory m = { .bytes = bytes, .n = n };
    SF_INFO info = { 0 };
    if (find_whole(s, &m, name, e) < 0)
        return BA_EDATA;
    char why[81] = "";
    pthread_mutex_lock(&opening);
    SNDFILE *f = sf_open_virtual(&io, SFM_READ, &info, &m);
    if (!f)
        strncpy(why, sf_strerror(NULL), sizeof why - 1);
    pthread_mutex_unlock(&opening);
    if (!f)
        return BA_FAIL(s->h, e, BA_EDATA, "%.400s: no sound that libsndfile reads: %s", name, why);
    w->rate = info.samplerate;
    int status = info.channels < 1 || info.channels > MAX_CHANNELS
        ? BA_FAIL(s->h, e, BA_EDATA, "%.400s: %d channels; 1 to %d expected", name, info.channels, MAX_CHANNELS)
        : read_all(s, f, &info, name, w, e);
    sf_close(f);
    return status;
}

static int able(const ba_host *h, ba_err *e)
{
    (void)h, (void)e;
    return BA_OK;
}
#else
static int able(const ba_host *h, ba_err *e)
{
    return BA_FAIL(h, e, BA_EMACHINE, "sound: this bauta was built without libsndfile; install libsndfile1-dev, then `meson setup --reconfigure "
        "-Dsound=enabled build` and build again");
}

static int decode(const sound *s, const void *bytes, int64_t n, const char *name, wave *w, ba_err *e)
{
    (void)bytes, (void)n, (void)name, (void)w;
    return able(s->h, e);
}
#endif

/* ---- names ---- */

static int is_clip(const char *name)
{
    static const char *const endings[] = { "wav", "ogg", "oga", "opus", "flac", "aif", "aiff", "au", "mp3", NULL };
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (!strcasecmp(dot + 1, endings[i]))
            return 1;
    return 0;
}

static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static int slashes(const char *name)
{
    int n = 0;
    for (; *name; name++)
        n += *name == '/';
    return n;
}

static int is_split(const char *name)
{
    return !strncmp(name, "train/", 6) || !strncmp(name, "test/", 5);
}

/* The name of file i as classes and splits see it; NULL: it is no clip. */
static const char *name_of(const sound *s, int64_t i)
{
    const char *name = s->d->file_name(s->files, i);
    return is_clip(name) ? name + s->top : NULL;
}

/* A folder that holds all clips, above those of splits or classes, is looked through: archives have one. */
static void find_top(sound *s)
{
    const char *first = NULL;
    size_t length = 0;
    for (int64_t i = 0; i < s->d->files_count(s->files); i++) {
        const char *name = name_of(s, i), *slash = name ? strchr(name, '/') : NULL;
        if (!name)
            continue;
        if (!first) {
            first = name;
            length = slash ? (size_t)(slash - name) + 1 : 0;
        }
        if (!length || is_split(name) || slashes(name) < (s->p->fold ? 2 : 3) || strncmp(name, first, length))
            return;
    }
    s->top = length;
}

/* A number of at most five digits from *p on, which is moved behind it; -1: there is none. */
static int64_t number(const char **p)
{
    int64_t v = -1;
    for (; **p >= '0' && **p <= '9' && v <= MAX_NUMBER; ++*p)
        v = (v < 0 ? 0 : 10 * v) + (**p - '0');
    return v > MAX_NUMBER ? -1 : v;
}

/* Whether a clip is of the test split. */
static int find_split(const sound *s, const char *name, ba_err *e)
{
    const char *base = base_of(name), *at = base;
    if (!s->p->fold)
        return is_split(name) ? !strncmp(name, "test/", 5)
            : BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s is neither below train/ nor below test/; `fold` splits clips whose names begin with one", s->p->path, name);
    int64_t fold = number(&at);
    if (fold < 1 || *at != '-')
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s does not begin with its fold (as 1-100032-A.ogg)", s->p->path, base);
    return fold == s->p->fold;
}

/* The folder that names a clip's class; its length, or 0 and an error. */
static size_t find_folder(const sound *s, const char *name, const char **folder, ba_err *e)
{
    *folder = s->p->fold ? name : strchr(name, '/') + 1;
    const char *slash = strchr(*folder, '/');
    if (!slash)
        BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s lies in no folder of a class", s->p->path, name);
    return slash ? (size_t)(slash - *folder) : 0;
}

/* The number of ESC-50's names: fold-source-take-class. */
static int64_t named_class(const sound *s, const char *name, ba_err *e)
{
    const char *at = strrchr(base_of(name), '-');
    int64_t v = at ? (at++, number(&at)) : -1;
    if (v < 0 || *at != '.')
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s does not end with the number of its class (as 1-100032-A-0.wav)", s->p->path, base_of(name));
    return v;
}

/* ---- lists ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_class(sound *s, const char *name, size_t length, ba_err *e)
{
    const char *last = s->n_classes ? s->classes[s->n_classes - 1] : NULL;
    if (last && strlen(last) == length && !memcmp(last, name, length))
        return BA_OK; /* files are sorted: those of a folder stand together */
    if (s->n_classes == s->room) {
        char **more = realloc(s->classes, (size_t)(2 * s->room + 16) * sizeof *more);
        if (!more)
            return no_memory(s, e);
        s->classes = more;
        s->room = 2 * s->room + 16;
    }
    s->classes[s->n_classes] = strndup(name, length);
    return s->classes[s->n_classes] ? (s->n_classes++, BA_OK) : no_memory(s, e);
}

/* Numbers of names are classes when there is a clip of each: a slip of the pen would make thousands of them. */
static int find_gap(const sound *s, ba_err *e)
{
    char *seen = calloc((size_t)s->n_classes, 1);
    const char *last = "";
    int64_t gap = 0;
    if (!seen)
        return no_memory(s, e);
    for (int64_t i = 0; i < s->d->files_count(s->files); i++) {
        const char *name = name_of(s, i);
        int64_t v = name ? named_class(s, name, NULL) : -1;
        if (v >= 0)
            seen[v] = 1;
        last = v == s->n_classes - 1 ? base_of(name) : last;
    }
    while (gap < s->n_classes && seen[gap])
        gap++;
    free(seen);
    return gap == s->n_classes ? BA_OK : BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.200s is of class %lld, and no clip is of class %lld; numbers without a gap expected",
        s->p->path, last, (long long)s->n_classes - 1, (long long)gap);
}

/* Both splits have the same classes: those of either. */
static int find_classes(sound *s, ba_err *e)
{
    for (int64_t i = 0; i < s->d->files_count(s->files); i++) {
        const char *name = name_of(s, i), *folder;
        int64_t v = 0;
        size_t length = 0;
        if (!name)
            continue;
        if (find_split(s, name, e) < 0)
            return BA_EDATA;
        if (s->p->labels == NAMES && (v = named_class(s, name, e)) < 0)
            return BA_EDATA;
        s->n_classes = s->p->labels == NAMES && v >= s->n_classes ? v + 1 : s->n_classes;
        if (s->p->labels == FOLDERS && !(length = find_folder(s, name, &folder, e)))
            return BA_EDATA;
        if (length && add_class(s, folder, length, e) < 0)
            return BA_EMACHINE;
    }
    if (!s->n_classes)
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: no clips in it (.wav, .ogg, .flac)", s->p->path);
    if (!s->classes)
        return find_gap(s, e);
    qsort(s->classes, (size_t)s->n_classes, sizeof *s->classes, compare);
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_classes; i++)
        if (n && !strcmp(s->classes[n - 1], s->classes[i]))
            free(s->classes[i]);
        else
            s->classes[n++] = s->classes[i];
    s->n_classes = n;
    return BA_OK;
}

static int32_t label_of(const sound *s, const char *name)
{
    const char *folder;
    if (!s->classes)
        return (int32_t)named_class(s, name, NULL);
    size_t length = find_folder(s, name, &folder, NULL);
    int64_t low = 0, high = s->n_classes - 1;
    while (low < high) { /* it is among them */
        int64_t middle = (low + high) / 2;
        int order = strncmp(s->classes[middle], folder, length);
        if (order > 0 || (!order && strlen(s->classes[middle]) >= length))
            high = middle;
        else
            low = middle + 1;
    }
    return (int32_t)low;
}

static int in_order(const void *a, const void *b)
{
    const clip *x = a, *y = b;
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : (x->file > y->file) - (x->file < y->file);
}

static int find_clips(sound *s, int test, ba_err *e)
{
    int64_t n = s->d->files_count(s->files), *seen = calloc((size_t)s->n_classes, sizeof *seen);
    s->clips = calloc((size_t)n, sizeof *s->clips);
    if (!seen || !s->clips) {
        free(seen);
        return no_memory(s, e);
    }
    for (int64_t i = 0; i < n; i++) {
        const char *name = name_of(s, i);
        if (!name || find_split(s, name, NULL) != test)
            continue;
        int32_t label = label_of(s, name);
        if (!s->p->limit || seen[label]++ < s->p->limit)
            s->clips[s->count++] = (clip){ i, label };
    }
    free(seen);
    qsort(s->clips, (size_t)s->count, sizeof *s->clips, in_order);
    if (s->count)
        return BA_OK;
    return s->p->fold ? BA_FAIL(s->h, e, BA_EDATA, "%.300s: fold = %lld: no clip %s", s->p->path, (long long)s->p->fold, test ? "is of it" : "is of another one")
                      : BA_FAIL(s->h, e, BA_EDATA, "%.300s: no clips below %s/", s->p->path, test ? "test" : "train");
}

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
    find_top(s);
    int status = find_classes(s, e);
    return status < 0 ? status : find_clips(s, !strcmp(split, "test"), e);
}

static int open_sound(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const params *p = given;
    int status = able(h, e);
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

/* ---- clips ---- */

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
        status = decode(s, bytes, n, name, w, e);
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
