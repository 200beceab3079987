/* registry: the search path and what was found on it. A file is looked at when somebody asks for its name, and only then, so that starting
 * costs nothing; a listing looks at all of them. What was refused is remembered with its sentence. */
#include "bauta/model.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/crc.h"
#include "../base/file.h"
#include "../base/nearest.h"
#include "../base/notice.h"
#include "../base/place.h"
#include "plugin.h"

#ifndef BAUTA_PLUGIN_DIR
#define BAUTA_PLUGIN_DIR ""
#endif

enum { TAG = 0x504c5547, MOST_FOLDERS = 64, MOST_FILES = 4096 };

typedef struct entry {
    char *path;                    /* as found: folder and file */
    char kind[8], name[72];        /* kind "" when the file was refused in a folder that does not say */
    const ba_plugin_desc *desc;    /* NULL: refused */
    ba_err why;
    char twice[508];               /* set by a scan: another file has this kind and name */
} entry;

struct ba_plugins {
    uint32_t tag;
    char *folders[MOST_FOLDERS];
    int n_folders, n_added;        /* added ones come first */
    char *path;                    /* the folders as one text */
    entry **e;
    int64_t n;
};

static int check(const ba_plugins *p, ba_err *e)
{
    return p && p->tag == TAG ? BA_OK : ba_fail(e, BA_EARG, "plugins expected, got %s", p ? "something else (freed?)" : "nothing");
}

/* Joins the folders into the one text that ba_plugins_path lends. */
static int write_path(ba_plugins *p, ba_err *e)
{
    size_t n = 1;
    for (int i = 0; i < p->n_folders; i++)
        n += strlen(p->folders[i]) + 1;
    char *s = calloc(1, n);
    if (!s)
        return ba_fail(e, BA_EMACHINE, "no memory for the plugin path");
    for (int i = 0; i < p->n_folders; i++)
        strcat(strcat(s, i ? ":" : ""), p->folders[i]);
    free(p->path);
    p->path = s;
    return BA_OK;
}

/* Puts a folder at place `at`. 1: done, 2: it was there already, 0: it is no folder. */
static int insert(ba_plugins *p, int at, const char *folder, ba_err *e)
{
    struct stat s;
    char *real = realpath(folder, NULL);
    if (!real || stat(real, &s) || !S_ISDIR(s.st_mode)) {
        free(real);
        return 0;
    }
    for (int i = 0; i < p->n_folders; i++)
        if (!strcmp(p->folders[i], real)) {
            free(real);
            return 2;
        }
    if (p->n_folders == MOST_FOLDERS) {
        free(real);
        return ba_fail(e, BA_EARG, "plugins: more than %d folders", MOST_FOLDERS);
    }
    memmove(p->folders + at + 1, p->folders + at, (size_t)(p->n_folders - at) * sizeof *p->folders);
    p->folders[at] = real;
    p->n_folders++;
    return write_path(p, e) ? BA_EMACHINE : 1;
}

/* named: the variable that the user has set; NULL: nobody has named these folders, and they need not be there. */
static int insert_all(ba_plugins *p, const char *list, const char *named, ba_err *e)
{
    for (const char *s = list; s && *s;) {
        char one[PATH_MAX];
        size_t n = strcspn(s, ":");
        if (n >= sizeof one)
            return ba_fail(e, BA_EARG, "%s: a folder of %zu letters; at most %zu expected", named ? named : "plugins", n, sizeof one - 1);
        snprintf(one, sizeof one, "%.*s", (int)n, s);
        int r = n ? insert(p, p->n_folders, one, e) : 1;
        if (r < 0)
            return r;
        if (!r && named)
            bai_notice("%s: '%.400s' is not a folder; no plugins are taken from there", named, one);
        s += n + (s[n] == ':');
    }
    return BA_OK;
}

ba_plugins *ba_plugins_new(const char *home, ba_err *e)
{
    char beside[4096];
    ba_plugins *p = calloc(1, sizeof *p);
    if (!p) {
        ba_fail(e, BA_EMACHINE, "no memory for the plugins");
        return NULL;
    }
    p->tag = TAG;
    if (write_path(p, e) || insert_all(p, getenv("BAUTA_PLUGIN_PATH"), "BAUTA_PLUGIN_PATH", e) ||
        insert_all(p, home ? home : bai_place(BAUTA_PLUGIN_DIR, beside, sizeof beside), NULL, e)) {
        ba_plugins_free(p);
        return NULL;
    }
    return p;
}

void ba_plugins_free(ba_plugins *p)
{
    if (check(p, NULL))
        return;
    p->tag = 0;
    for (int i = 0; i < p->n_folders; i++)
        free(p->folders[i]);
    for (int64_t i = 0; i < p->n; i++) {
        free(p->e[i]->path);
        free(p->e[i]);
    }
    free(p->path);
    free(p->e);
    free(p);
}

int ba_plugins_add(ba_plugins *p, const char *folder, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    if (!folder || !*folder || strchr(folder, ':'))
        return ba_fail(e, BA_EARG, "plugins: '%.300s'; a folder without ':' expected", folder ? folder : "");
    int r = insert(p, p->n_added, folder, e);
    p->n_added += r == 1;
    return r > 0 ? BA_OK : r < 0 ? r : ba_fail(e, BA_EARG, "plugins: '%.300s' is not a folder", folder);
}

const char *ba_plugins_path(const ba_plugins *p) { return check(p, NULL) ? "" : p->path; }

/* ---- looking at one file ---- */
static void judge_names(entry *n, const char *kind, const char *name)
{
    const ba_plugin_desc *d = n->desc;
    if (d && strcmp(d->name, name))
        ba_fail(&n->why, BA_EPLUGIN, "plugin %.200s: calls itself '%.64s'; the file's name and the plugin's must be equal", n->path, d->name);
    else if (d && *kind && strcmp(bai_kind_name(d->kind), kind))
        ba_fail(&n->why, BA_EPLUGIN, "plugin %.200s: is a %s plugin in the folder '%s'", n->path, bai_kind_name(d->kind), kind);
    if (n->why.code)
        n->desc = NULL;
}

static entry *look_at(ba_plugins *p, const char *path, const char *kind, const char *name, ba_err *e)
{
    for (int64_t i = 0; i < p->n; i++)
        if (!strcmp(p->e[i]->path, path))
            return p->e[i];
    entry **more = realloc(p->e, (size_t)(p->n + 1) * sizeof *more), *n = calloc(1, sizeof *n);
    if (more)
        p->e = more;
    if (!more || !n || !(n->path = strdup(path))) {
        free(n);
        ba_fail(e, BA_EMACHINE, "no memory for plugin %.200s", path);
        return NULL;
    }
    snprintf(n->name, sizeof n->name, "%s", name);
    if (!bai_name_good(name))
        ba_fail(&n->why, BA_EPLUGIN, "plugin %.300s: file name; 1 to 64 of [a-z0-9_-] and .so expected", path);
    else
        n->desc = bai_plugin_load(path, &n->why);
    judge_names(n, kind, name);
    snprintf(n->kind, sizeof n->kind, "%s", n->desc ? bai_kind_name(n->desc->kind) : kind);
    p->e[p->n++] = n;
    return n;
}

/* ---- looking through folders ---- */
typedef struct names { char *name[MOST_FILES]; int n; } names;

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void names_free(names *l)
{
    for (int i = 0; l && i < l->n; i++)
        free(l->name[i]);
    free(l);
}

/* The NAMEs of the files NAME.so in a folder, sorted; none when it cannot be read. */
static names *names_in(const char *folder)
{
    names *l = calloc(1, sizeof *l);
    DIR *d = l ? opendir(folder) : NULL;
    for (struct dirent *f; d && l->n < MOST_FILES && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n > 3 && f->d_name[0] != '.' && !strcmp(f->d_name + n - 3, ".so") && (l->name[l->n] = strndup(f->d_name, n - 3)))
            l->n++;
    }
    if (d)
        closedir(d);
    if (l)
        qsort(l->name, (size_t)l->n, sizeof *l->name, by_text);
    return l;
}

/* Looks at every file of FOLDER/SUB; sub "" is the folder itself. */
static int look_into(ba_plugins *p, const char *folder, const char *sub, ba_err *e)
{
    char where[4200], path[4400];
    snprintf(where, sizeof where, "%s%s%s", folder, *sub ? "/" : "", sub);
    names *l = names_in(where);
    int r = l ? BA_OK : ba_fail(e, BA_EMACHINE, "no memory to list plugins");
    for (int i = 0; l && i < l->n && !r; i++) {
        snprintf(path, sizeof path, "%s/%s.so", where, l->name[i]);
        r = look_at(p, path, sub, l->name[i], e) ? BA_OK : BA_EMACHINE;
    }
    names_free(l);
    return r;
}

static int by_kind_and_name(const void *a, const void *b)
{
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    int r = strcmp(x->kind, y->kind);
    if (!r)
        r = strcmp(x->name, y->name);
    return r ? r : strcmp(x->path, y->path);
}

int64_t ba_plugins_scan(ba_plugins *p, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    for (int i = 0; i < p->n_folders; i++) {
        int r = look_into(p, p->folders[i], "", e);
        for (uint32_t k = BA_KIND_MASK; k <= BA_KIND_REDUCER && !r; k++)
            r = look_into(p, p->folders[i], bai_kind_name(k), e);
        if (r)
            return r;
    }
    if (p->n)
        qsort(p->e, (size_t)p->n, sizeof *p->e, by_kind_and_name);
    for (int64_t i = 1; i < p->n; i++) {
        entry *a = p->e[i - 1], *b = p->e[i];
        if (!strcmp(a->kind, b->kind) && !strcmp(a->name, b->name)) {
            snprintf(a->twice, sizeof a->twice, "%s %s is there twice: %.200s and %.200s", a->kind, a->name, a->path, b->path);
            snprintf(b->twice, sizeof b->twice, "%s", a->twice);
        }
    }
    return p->n;
}

static void describe(const entry *n, ba_plugin_info *out)
{
    *out = (ba_plugin_info){ .kind = n->kind, .name = n->name, .path = n->path };
    out->refused = n->twice[0] ? n->twice : n->desc ? NULL : n->why.msg;
    if (out->refused)
        return;
    out->doc = n->desc->doc;
    out->version = n->desc->version;
    out->cite = n->desc->cite;
    out->desc = n->desc;
    out->abi_major = n->desc->abi_major;
    out->abi_minor = n->desc->abi_minor;
}

int ba_plugins_entry(const ba_plugins *p, int64_t i, ba_plugin_info *out, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    if (i < 0 || i >= p->n || !out)
        return ba_fail(e, BA_EARG, "plugins: entry %lld of %lld", (long long)i, (long long)p->n);
    describe(p->e[i], out);
    return BA_OK;
}

static const entry *entry_of(const ba_plugins *p, const ba_plugin_desc *d, ba_err *e)
{
    for (int64_t i = 0; !check(p, e) && d && i < p->n; i++)
        if (p->e[i]->desc == d)
            return p->e[i];
    ba_fail(e, BA_EARG, "plugins: no such descriptor here");
    return NULL;
}

int ba_plugins_info(const ba_plugins *p, const ba_plugin_desc *d, ba_plugin_info *out, ba_err *e)
{
    const entry *n = entry_of(p, d, e);
    if (!n || !out)
        return n ? ba_fail(e, BA_EARG, "plugins: a place for the answer expected") : BA_EARG;
    describe(n, out);
    return BA_OK;
}

int ba_plugins_hash(const ba_plugins *p, const ba_plugin_desc *d, char out[65], ba_err *e)
{
    const entry *n = entry_of(p, d, e);
    int64_t size;
    bai_sha256 s;
    if (!n || !out)
        return BA_EARG;
    char *bytes = bai_file_read(AT_FDCWD, n->path, n->path, 256 << 20, &size, e);
    if (!bytes)
        return BA_EPLUGIN;
    bai_sha256_begin(&s);
    bai_sha256_add(&s, bytes, (size_t)size);
    bai_sha256_text(&s, out);
    free(bytes);
    return BA_OK;
}

/* ---- one by name ---- */
static int exists(const char *path)
{
    struct stat s;
    return !lstat(path, &s);
}

/* The next file of this kind and name, from place *at (two places a folder) on; NULL when there are no more. */
static entry *next_of(ba_plugins *p, const char *kind, const char *name, int *at, ba_err *e)
{
    char path[4400];
    for (; *at < 2 * p->n_folders; ++*at) {
        const char *sub = *at % 2 ? "" : kind;
        snprintf(path, sizeof path, "%s%s%s/%s.so", p->folders[*at / 2], *sub ? "/" : "", sub, name);
        if (!exists(path))
            continue;
        entry *n = look_at(p, path, sub, name, e);
        if (!n || !n->kind[0] || !strcmp(n->kind, kind)) {
            ++*at;
            return n;
        }
    }
    return NULL;
}

static void not_there(ba_plugins *p, const char *kind, const char *name, ba_err *e)
{
    bai_nearest near = bai_nearest_begin(name);
    char all[200] = "";
    ba_plugin_info info;
    size_t used = 0;
    int64_t n = ba_plugins_scan(p, e);
    for (int64_t i = 0; i < n; i++) {
        describe(p->e[i], &info);
        if (strcmp(info.kind, kind))
            continue;
        bai_nearest_try(&near, info.name);
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", info.name);
    }
    ba_fail(e, BA_EPLUGIN, "no %s '%s'%s%s%s (there are: %s; searched: %.160s)", kind, name, near.best ? "; did you mean '" : "", near.best ? near.best : "",
            near.best ? "'?" : "", *all ? all : "none", *p->path ? p->path : "no folder");
}

const ba_plugin_desc *ba_plugins_find(ba_plugins *p, const char *kind, const char *name, ba_err *e)
{
    ba_err failed = { 0 };
    int at = 0;
    if (check(p, e))
        return NULL;
    if (!bai_kind_of(kind) || !bai_name_good(name)) {
        if (bai_kind_of(kind))
            ba_fail(e, BA_EARG, "plugin name '%.64s': only 1 to 64 of [a-z0-9_-]", name ? name : "");
        else
            ba_fail(e, BA_EARG, "plugin kind '%.20s': mask, loss, arch, data or reducer expected", kind ? kind : "");
        return NULL;
    }
    const entry *first = next_of(p, kind, name, &at, &failed), *second = first;
    while (first && second == first) /* one file can be met twice: beside the folders of kinds, and in one of them */
        second = next_of(p, kind, name, &at, &failed);
    if (failed.code)
        ba_fail(e, failed.code, "%s", failed.msg);
    else if (second)
        ba_fail(e, BA_EPLUGIN, "%s %s is there twice: %.200s and %.200s", kind, name, first->path, second->path);
    else if (!first)
        not_there(p, kind, name, e);
    else if (first->desc)
        return first->desc;
    else
        ba_fail(e, first->why.code, "%s", first->why.msg);
    return NULL;
}

const ba_plugin_desc *ba_plugins_file(ba_plugins *p, const char *path, ba_err *e)
{
    char name[80];
    if (check(p, e))
        return NULL;
    char *real = path ? realpath(path, NULL) : NULL;
    const char *base = real ? strrchr(real, '/') + 1 : "";
    size_t n = strlen(base);
    entry *found = NULL;
    if (!real)
        ba_fail(e, BA_EPLUGIN, "plugin %.300s: no such file", path ? path : "(none)");
    else if (n < 4 || n >= sizeof name || strcmp(base + n - 3, ".so"))
        ba_fail(e, BA_EPLUGIN, "plugin %.300s: a file NAME.so expected", path);
    else {
        snprintf(name, sizeof name, "%.*s", (int)(n - 3), base);
        found = look_at(p, real, "", name, e);
    }
    free(real);
    if (found && !found->desc)
        ba_fail(e, found->why.code, "%s", found->why.msg);
    return found ? found->desc : NULL;
}
