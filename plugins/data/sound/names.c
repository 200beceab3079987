/* names: what the name of a clip's file tells: whether it is one, its split (below train/ or test/, or by its fold), and its class, which is a folder or
 * the number at the end of ESC-50's names (fold-source-take-class.ogg). */
#include <string.h>
#include <strings.h>

#include "sound.h"

enum { MAX_NUMBER = 99999 };

static int is_clip(const char *name)
{
    static const char *const endings[] = { "wav", "ogg", "oga", "opus", "flac", "aif", "aiff", "au", "mp3", NULL };
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (!strcasecmp(dot + 1, endings[i]))
            return 1;
    return 0;
}

const char *sound_base(const char *name)
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

const char *sound_name(const sound *s, int64_t i)
{
    const char *name = s->d->file_name(s->files, i);
    return is_clip(name) ? name + s->top : NULL;
}

/* A folder that holds all clips, above those of splits or classes, is looked through: archives have one. */
void sound_find_top(sound *s)
{
    const char *first = NULL;
    size_t length = 0;
    for (int64_t i = 0; i < s->d->files_count(s->files); i++) {
        const char *name = sound_name(s, i), *slash = name ? strchr(name, '/') : NULL;
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
int sound_split(const sound *s, const char *name, ba_err *e)
{
    const char *base = sound_base(name), *at = base;
    if (!s->p->fold)
        return is_split(name) ? !strncmp(name, "test/", 5)
            : BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s is neither below train/ nor below test/; `fold` splits clips whose names begin with one", s->p->path, name);
    int64_t fold = number(&at);
    if (fold < 1 || *at != '-')
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s does not begin with its fold (as 1-100032-A.ogg)", s->p->path, base);
    return fold == s->p->fold;
}

/* The folder that names a clip's class; its length, or 0 and an error. */
size_t sound_folder(const sound *s, const char *name, const char **folder, ba_err *e)
{
    *folder = s->p->fold ? name : strchr(name, '/') + 1;
    const char *slash = strchr(*folder, '/');
    if (!slash)
        BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s lies in no folder of a class", s->p->path, name);
    return slash ? (size_t)(slash - *folder) : 0;
}

/* The number of ESC-50's names: fold-source-take-class. */
int64_t sound_number(const sound *s, const char *name, ba_err *e)
{
    const char *at = strrchr(sound_base(name), '-');
    int64_t v = at ? (at++, number(&at)) : -1;
    if (v < 0 || *at != '.')
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: %.300s does not end with the number of its class (as 1-100032-A-0.wav)", s->p->path, sound_base(name));
    return v;
}
