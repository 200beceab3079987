/* replay: recording of file operations, and folders as they could be after a power cut. */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "help.h"

enum { MOST = 20000, OBJECTS = 4000, NAMES = 64 };
enum kind { CREATE, WRITE, TRUNCATE, FLUSH, RENAME, REMOVE, LINK, FOLDER, PROMISE };

typedef struct event {
    enum kind kind;
    int object, folder;      /* the file or folder itself; the folder its name is in */
    char name[80], to[80];
    int64_t offset, size;
    char *data;
} event;

static event events[MOST];
static long count;
static int recording, objects;
static struct { dev_t dev; ino_t ino; } known[OBJECTS]; /* object number -> what it is now; the folder itself is 0 */

static int number_of(const struct stat *st)
{
    for (int i = objects - 1; i >= 0; i--)
        if (known[i].ino == st->st_ino && known[i].dev == st->st_dev)
            return i;
    return -1;
}

static int object_of(int fd)
{
    struct stat st;
    return recording && !fstat(fd, &st) ? number_of(&st) : -1;
}

static int add_object(const struct stat *st)
{
    int old = number_of(st);
    if (old >= 0)
        known[old].ino = 0; /* the number of a removed file, used again */
    if (objects == OBJECTS) {
        fprintf(stderr, "replay: too many files\n");
        exit(1);
    }
    known[objects].dev = st->st_dev;
    known[objects].ino = st->st_ino;
    return objects++;
}

static event *add(enum kind kind, int object, int folder, const char *name)
{
    if (count == MOST) {
        fprintf(stderr, "replay: too many operations\n");
        exit(1);
    }
    event *e = events + count++;
    *e = (event){ .kind = kind, .object = object, .folder = folder };
    snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

void replay_begin(const char *folder)
{
    struct stat st;
    objects = 0;
    for (; count > 0; count--)
        free(events[count - 1].data);
    if (stat(folder, &st)) {
        perror(folder);
        exit(1);
    }
    add_object(&st);
    recording = 1;
}

long replay_end(void)
{
    recording = 0;
    return count;
}

void replay_promise(int64_t rows, int64_t saved)
{
    event *e = add(PROMISE, -1, -1, "");
    e->offset = rows;
    e->size = saved;
}

void replay_promised(long n, int64_t *rows, int64_t *saved)
{
    *rows = *saved = 0;
    for (long i = 0; i < n; i++)
        if (events[i].kind == PROMISE) {
            *rows = events[i].offset;
            *saved = events[i].size;
        }
}

/* ---- recording ---- */

void replay_created(int dirfd, const char *name, int fd)
{
    struct stat st;
    int folder = object_of(dirfd);
    if (folder >= 0 && !fstat(fd, &st))
        add(CREATE, add_object(&st), folder, name);
}

void replay_wrote(int fd, int64_t offset, const void *p, size_t n)
{
    int o = object_of(fd);
    if (o < 0)
        return;
    event *e = add(WRITE, o, -1, "");
    e->offset = offset >= 0 ? offset : (int64_t)lseek(fd, 0, SEEK_CUR) - (int64_t)n;
    e->size = (int64_t)n;
    e->data = malloc(n + 1);
    memcpy(e->data, p, n);
}

void replay_truncated(int fd, int64_t size)
{
    int o = object_of(fd);
    if (o >= 0)
        add(TRUNCATE, o, -1, "")->size = size;
}

void replay_flushed(int fd)
{
    int o = object_of(fd);
    if (o >= 0)
        add(FLUSH, o, -1, "");
}

void replay_renamed(int dirfd, const char *from, const char *to)
{
    int f = object_of(dirfd);
    if (f >= 0)
        snprintf(add(RENAME, -1, f, from)->to, 80, "%s", to);
}

void replay_removed(int dirfd, const char *name)
{
    int f = object_of(dirfd);
    if (f >= 0)
        add(REMOVE, -1, f, name);
}

void replay_linked(int dirfd, const char *name, const char *target)
{
    int f = object_of(dirfd);
    if (f >= 0)
        snprintf(add(LINK, -1, f, name)->to, 80, "%s", target);
}

void replay_folder(int dirfd, const char *name)
{
    struct stat st;
    int f = object_of(dirfd);
    if (f >= 0 && !fstatat(dirfd, name, &st, 0))
        add(FOLDER, add_object(&st), f, name);
}

/* ---- rebuilding ---- */

typedef struct entry { char name[80], target[80]; int object, is_folder; } entry;
typedef struct names { entry e[NAMES]; int n; } names;

static int find(const names *s, const char *name)
{
    int i = 0;
    while (i < s->n && strcmp(s->e[i].name, name))
        i++;
    return i;
}

static void forget(names *s, const char *name)
{
    int i = find(s, name);
    if (i < s->n)
        s->e[i] = s->e[--s->n];
}

static void apply(names *s, const event *e)
{
    entry n = { .object = e->object, .is_folder = e->kind == FOLDER };
    if (e->kind == RENAME) {
        int i = find(s, e->name);
        if (i == s->n)
            return;
        n = s->e[i];
        forget(s, e->name);
    }
    const char *name = e->kind == RENAME ? e->to : e->name;
    forget(s, name);
    if (e->kind == REMOVE || s->n == NAMES)
        return;
    if (e->kind == LINK)
        snprintf(n.target, sizeof n.target, "%s", e->to);
    snprintf(n.name, sizeof n.name, "%s", name);
    s->e[s->n++] = n;
}

/* How many of m unflushed steps have reached the disk. */
static int reached(uint64_t *seed, int m)
{
    uint64_t r = noise(seed);
    return r % 4 == 0 ? m : r % 4 == 1 ? 0 : (int)(noise(seed) % (uint64_t)(m + 1));
}

static names list_of(int folder, long n, uint64_t *seed)
{
    names s = { .n = 0 };
    int pending = 0;
    long flushed = 0;
    for (long i = 0; i < n; i++)
        if (events[i].kind == FLUSH && events[i].object == folder)
            flushed = i;
    for (long i = flushed; i < n; i++)
        pending += events[i].folder == folder;
    int some = reached(seed, pending);
    for (long i = 0; i < n; i++)
        if (events[i].folder == folder && (i < flushed || some-- > 0))
            apply(&s, events + i);
    return s;
}

static int64_t size_after(int64_t size, const event *e)
{
    return e->kind == TRUNCATE ? e->size : e->offset + e->size > size ? e->offset + e->size : size;
}

/* What step e does to bytes from..to-1 of the file. */
static void change(char *p, int64_t from, int64_t to, const event *e)
{
    if (e->kind == TRUNCATE) {
        if (e->size < to)
            memset(p + (e->size > from ? e->size : from), 0, (size_t)(to - (e->size > from ? e->size : from)));
        return;
    }
    int64_t a = e->offset > from ? e->offset : from, b = e->offset + e->size < to ? e->offset + e->size : to;
    if (a < b)
        memcpy(p + a, e->data + (a - e->offset), (size_t)(b - a));
}

static void write_file(int object, long n, int64_t page, uint64_t *seed, const char *path)
{
    const event *after[2000];
    int m = 0;
    long flushed = -1;
    int64_t size = 0, most = 0, safe = 0;
    for (long i = 0; i < n; i++)
        if (events[i].kind == FLUSH && events[i].object == object)
            flushed = i;
    for (long i = 0; i < n; i++) {
        if (events[i].object != object || (events[i].kind != WRITE && events[i].kind != TRUNCATE))
            continue;
        if (i > flushed && m < 2000)
            after[m++] = events + i;
        size = size_after(size, events + i);
        safe = i > flushed ? safe : size;
        most = size > most ? size : most;
    }
    char *p = calloc(1, (size_t)most + 1);
    for (long i = 0; i < flushed; i++)
        if (events[i].object == object && (events[i].kind == WRITE || events[i].kind == TRUNCATE))
            change(p, 0, most, events + i);
    for (int64_t at = 0; at < most; at += page)
        for (int k = 0, some = reached(seed, m); k < some; k++)
            change(p, at, at + page < most ? at + page : most, after[k]);
    for (int k = 0, some = reached(seed, m); k < some; k++)
        safe = size_after(safe, after[k]);
    spill(path, p, safe);
    free(p);
}

static void build(int folder, long n, int64_t page, uint64_t *seed, const char *to)
{
    char path[700];
    names s = list_of(folder, n, seed);
    if (mkdir(to, 0755)) {
        perror(to);
        exit(1);
    }
    for (int i = 0; i < s.n; i++) {
        snprintf(path, sizeof path, "%.600s/%s", to, s.e[i].name);
        if (s.e[i].is_folder)
            build(s.e[i].object, n, page, seed, path);
        else if (!*s.e[i].target)
            write_file(s.e[i].object, n, page, seed, path);
        else if (symlink(s.e[i].target, path))
            perror(path);
    }
}

void replay_build(long n, int64_t page, uint64_t seed, const char *to) { build(0, n, page, &seed, to); }
