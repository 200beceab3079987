/* lists: the classes, which both splits share, and the clips of one split, class by class in byte order of their paths. */
#include <stdlib.h>
#include <string.h>

#include "sound.h"

static int no_memory(const sound *s, ba_err *e)
{
    return BA_FAIL(s->h, e, BA_EMACHINE, "sound: no memory for %lld files", (long long)s->d->files_count(s->files));
}

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
        const char *name = sound_name(s, i);
        int64_t v = name ? sound_number(s, name, NULL) : -1;
        if (v >= 0)
            seen[v] = 1;
        last = v == s->n_classes - 1 ? sound_base(name) : last;
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
        const char *name = sound_name(s, i), *folder;
        int64_t v = 0;
        size_t length = 0;
        if (!name)
            continue;
        if (sound_split(s, name, e) < 0)
            return BA_EDATA;
        if (s->p->labels == NAMES && (v = sound_number(s, name, e)) < 0)
            return BA_EDATA;
        s->n_classes = s->p->labels == NAMES && v >= s->n_classes ? v + 1 : s->n_classes;
        if (s->p->labels == FOLDERS && !(length = sound_folder(s, name, &folder, e)))
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
        return (int32_t)sound_number(s, name, NULL);
    size_t length = sound_folder(s, name, &folder, NULL);
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
        const char *name = sound_name(s, i);
        if (!name || sound_split(s, name, NULL) != test)
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

int sound_list(sound *s, int test, ba_err *e)
{
    int status = find_classes(s, e);
    return status < 0 ? status : find_clips(s, test, e);
}
