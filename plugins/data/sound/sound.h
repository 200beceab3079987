/* sound: what the files of the plugin share: an open split with its clips and classes, and a decoded clip. */
#ifndef SOUND_H
#define SOUND_H

#define BA_WANT_MINOR 3
#include "bauta/data.h"

enum { FOLDERS, NAMES }; /* params.labels */

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

typedef struct wave { float *x; int64_t n, room, rate; } wave; /* one channel */

/* Names of files (names.c) as classes and splits see them. */
const char *sound_name(const sound *s, int64_t file);                             /* NULL: it is no clip */
const char *sound_base(const char *name);                                         /* without its folders */
void sound_find_top(sound *s);
int sound_split(const sound *s, const char *name, ba_err *e);                     /* 1: of the test split, 0: of the other */
size_t sound_folder(const sound *s, const char *name, const char **folder, ba_err *e); /* names its class: how long; 0: an error */
int64_t sound_number(const sound *s, const char *name, ba_err *e);                /* of its class, at the end of ESC-50's names */

/* The classes and the clips of a split (lists.c). */
int sound_list(sound *s, int test, ba_err *e);

/* A file in memory (decode.c); where its head left out how long it is, that is written into it. */
int sound_able(const ba_host *h, ba_err *e);
int sound_decode(const sound *s, void *bytes, int64_t n, const char *name, wave *w, ba_err *e);

#endif
