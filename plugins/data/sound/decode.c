/* decode: a file in memory to samples of one channel, the mean of its own, through libsndfile; built without it, one line. A file that is cut off is
 * refused: libsndfile takes what is there of a .wav, .aiff or .au file for all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sound.h"

#ifdef HAVE_SNDFILE
#include <pthread.h>
#include <sndfile.h>

enum { MAX_CHANNELS = 64, MAX_SAMPLES = 1 << 26, BLOCK = 4096 };
#define STREAMED 0x7f000000u /* sizes from here on are of writers that did not know where they would end */

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

/* What the head of a .wav, .aiff or .au file says of the sound in it. */
typedef struct head {
    int64_t at;                 /* where it begins; 0: this is no such file */
    uint64_t size, end;         /* so many bytes; where the file ends */
    char *field;                /* of a .wav file: holds the size; NULL: another file */
    int width, big;             /* bytes of the field, and their order */
} head;

/* Whether this chunk holds the sound; its size then, which an RF64 file has in a chunk before. */
static int read_chunk(head *h, char *p, int64_t n, int aiff)
{
    uint64_t size = number_at(p + 4, 4, h->big);
    if (!aiff && !memcmp(p, "ds64", 4) && n >= 24) {
        h->end = number_at(p + 8, 8, 0) + 8;
        h->field = p + 16;
        h->width = 8;
    }
    if (memcmp(p, aiff ? "SSND" : "data", 4))
        return 0;
    if (!aiff && !(h->field && size == UINT32_MAX)) {
        h->field = p + 4;
        h->width = 4;
    }
    h->size = h->field ? number_at(h->field, h->width, h->big) : size;
    return 1;
}

static head read_head(char *p, int64_t n)
{
    head h = { 0 };
    int aiff = n >= 12 && !memcmp(p, "FORM", 4);
    h.big = aiff || (n >= 12 && !memcmp(p, "RIFX", 4));
    if (n >= 24 && !memcmp(p, ".snd", 4))
        return (head){ .at = (int64_t)number_at(p + 4, 4, 1), .size = number_at(p + 8, 4, 1) };
    if (n < 12 || (!h.big && memcmp(p, "RIFF", 4) && memcmp(p, "RF64", 4)))
        return h;
    h.end = number_at(p + 4, 4, h.big) + 8;
    for (int64_t at = 12; n - at >= 8;) {
        uint64_t size = number_at(p + at + 4, 4, h.big);
        int found = read_chunk(&h, p + at, n - at, aiff);
        at += 8;
        if (found) {
            h.at = at;
            break;
        }
        at += (int64_t)(size + (size & 1));
    }
    return h;
}

static int is_known(const head *h)
{
    return h->width == 8 ? h->size <= INT64_MAX : h->size < STREAMED;
}

static void fill_in(const head *h, uint64_t size)
{
    for (int i = 0; i < h->width; i++)
        h->field[i] = (char)(size >> 8 * (h->big ? h->width - 1 - i : i));
}

/* Refuses a file that is cut off. Who wrote into a pipe could not go back to its head and has left a size there that no file has, which libsndfile
 * takes for what it is, or 0, for which libsndfile is told the size. */
static int find_whole(const sound *s, char *bytes, int64_t n, const char *name, ba_err *e)
{
    head h = read_head(bytes, n);
    uint64_t there = h.at && n > h.at ? (uint64_t)(n - h.at) : 0;
    if (!h.size && h.field && (h.end <= (uint64_t)h.at || h.end >= STREAMED))
        fill_in(&h, there);
    if (h.size <= there || !is_known(&h))
        return BA_OK;
    return BA_FAIL(s->h, e, BA_EDATA, "%.400s: cut off: %llu of %llu bytes of sound are there", name, (unsigned long long)there, (unsigned long long)h.size);
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

int sound_decode(const sound *s, void *bytes, int64_t n, const char *name, wave *w, ba_err *e)
{
    SF_VIRTUAL_IO io = { .get_filelen = length_of, .seek = seek, .read = get, .write = put, .tell = tell };
    memory m = { .bytes = bytes, .n = n };
    SF_INFO info = { 0 };
    if (find_whole(s, bytes, n, name, e) < 0)
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

int sound_able(const ba_host *h, ba_err *e)
{
    (void)h, (void)e;
    return BA_OK;
}
#else
int sound_able(const ba_host *h, ba_err *e)
{
    return BA_FAIL(h, e, BA_EMACHINE, "sound: this bauta was built without libsndfile; install libsndfile1-dev, then `meson setup --reconfigure "
        "-Dsound=enabled build` and build again");
}

int sound_decode(const sound *s, void *bytes, int64_t n, const char *name, wave *w, ba_err *e)
{
    (void)bytes, (void)n, (void)name, (void)w;
    return sound_able(s->h, e);
}
#endif
