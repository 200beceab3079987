/* cifar: CIFAR-10 and CIFAR-100 in their binary form: records of one or two label bytes and 32 x 32 pixels, all red ones
 * first. Read from a folder, a tar or a gzipped tar, or from a single .bin file with its test file beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/data.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, MAX_FILES = 5, MAX_CLASSES = 100 };
enum { FINE = 0, COARSE = 1 };

typedef struct params {
    const char *path;
    int64_t labels, limit;
} params;

typedef struct cifar {
    ba_files *files;
    int64_t part[MAX_FILES], records[MAX_FILES]; /* numbers of the files, and how many records each has */
    int parts;
    int labels, label_at;      /* label bytes of a record, and which of them counts */
    int64_t count, classes;
    char *text;                /* of the class names */
    const char *names[MAX_CLASSES];
} cifar;

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The file of that name in whatever folder; -1: none. */
static int64_t find(const ba_host *h, const cifar *s, const char *base)
{
    int64_t n = h->data->files_count(s->files);
    for (int64_t i = 0; i < n; i++)
        if (!strcmp(base_of(h->data->file_name(s->files, i)), base))
            return i;
    return -1;
}

static int add_part(const ba_host *h, cifar *s, int64_t file, ba_err *e)
{
    int64_t bytes = h->data->file_size(s->files, file), record = s->labels + 3 * PLANE;
    char label[512];
    h->data->file_label(s->files, file, label, sizeof label);
    if (bytes < record || bytes % record)
        return BA_FAIL(h, e, BA_EDATA, "%.400s: %lld bytes are no whole number of records of %lld", label, (long long)bytes,
            (long long)record);
    s->part[s->parts] = file;
    s->records[s->parts++] = bytes / record;
    s->count += bytes / record;
    return BA_OK;
}

/* Finds the split's files; `only` is the single file that was named, or NULL. */
static int find_parts(const ba_host *h, cifar *s, const params *p, const char *only, const char *split, ba_err *e)
{
    int train = !strcmp(split, "train");
    int hundred = only ? strncmp(only, "data_batch", 10) && strcmp(only, "test_batch.bin")
        : find(h, s, "train.bin") >= 0 || find(h, s, "test.bin") >= 0;
    s->labels = hundred ? 2 : 1;
    s->label_at = hundred && p->labels == FINE;
    s->classes = !hundred ? 10 : p->labels == FINE ? 100 : 20;
    if (train && !only && !hundred) {
        for (int i = 1; i <= MAX_FILES; i++) {
            char name[32];
            snprintf(name, sizeof name, "data_batch_%d.bin", i);
            int64_t file = find(h, s, name);
            if (file >= 0 && add_part(h, s, file, e) < 0)
                return BA_EDATA;
        }
        return s->parts ? BA_OK : BA_FAIL(h, e, BA_EDATA, "%.300s: neither data_batch_1.bin nor train.bin in it", p->path);
    }
    const char *name = !train ? hundred ? "test.bin" : "test_batch.bin" : only ? only : "train.bin";
    int64_t file = find(h, s, name);
    return file >= 0 ? add_part(h, s, file, e) : BA_FAIL(h, e, BA_EDATA, "%.300s: no file %.100s in it", p->path, name);
}

/* One name a line; mere numbers when the file is not there or has another number of lines. */
static int read_names(const ba_host *h, cifar *s, ba_err *e)
{
    const char *name = s->labels == 1 ? "batches.meta.txt" : s->label_at ? "fine_label_names.txt" : "coarse_label_names.txt";
    int64_t file = find(h, s, name);
    int64_t n = file < 0 ? 0 : h->data->file_size(s->files, file), lines = 0;
    if (n < 1 || n > 65536)
        return BA_OK;
    s->text = malloc((size_t)n + 1);
    if (!s->text)
        return BA_FAIL(h, e, BA_EMACHINE, "cifar: no memory");
    if (h->data->file_read(s->files, file, 0, n, s->text, e) < 0)
        return e ? e->code : BA_EDATA;
    s->text[n] = 0;
    for (char *p = strtok(s->text, "\r\n"); p && lines <= s->classes; p = strtok(NULL, "\r\n"))
        if (lines++ < s->classes)
            s->names[lines - 1] = p;
    if (lines != s->classes)
        s->names[0] = NULL;
    return BA_OK;
}

static int judge_label(const ba_host *h, const cifar *s, int f, int64_t record, int label, ba_err *e)
{
    char name[512];
    if (label < s->classes)
        return BA_OK;
    h->data->file_label(s->files, s->part[f], name, sizeof name);
    return BA_FAIL(h, e, BA_EDATA, "%.400s: record %lld: label %d; 0 to %lld expected", name, (long long)record, label,
        (long long)s->classes - 1);
}

/* Labels are judged at once: a file of the other CIFAR or a damaged one is noticed here and not in the middle of a run. */
static int judge_labels(const ba_host *h, const cifar *s, ba_err *e)
{
    int64_t record = s->labels + 3 * PLANE, many = 256;
    uint8_t *bytes = malloc((size_t)(many * record));
    int status = bytes ? BA_OK : BA_FAIL(h, e, BA_EMACHINE, "cifar: no memory");
    for (int f = 0; f < s->parts; f++)
        for (int64_t i = 0; i < s->records[f] && status >= 0; i += many) {
            int64_t n = s->records[f] - i < many ? s->records[f] - i : many;
            status = h->data->file_read(s->files, s->part[f], i * record, n * record, bytes, e);
            for (int64_t k = 0; k < n && status >= 0; k++)
                status = judge_label(h, s, f, i + k, bytes[k * record + s->label_at], e);
        }
    free(bytes);
    return status;
}

static void close_cifar(const ba_host *h, void *self)
{
    cifar *s = self;
    if (!s)
        return;
    h->data->files_close(s->files);
    free(s->text);
    free(s);
}

/* A path that ends in .bin is one file of a folder. */
static int open_parts(const ba_host *h, cifar *s, const params *p, const char *split, ba_err *e)
{
    size_t n = strlen(p->path);
    const char *only = n > 4 && !strcmp(p->path + n - 4, ".bin") ? base_of(p->path) : NULL;
    char folder[4096];
    if (n >= sizeof folder)
        return BA_FAIL(h, e, BA_EARG, "path: %zu bytes; at most 4095 expected", n);
    if (only)
        snprintf(folder, sizeof folder, "%.*s", only == p->path ? 1 : (int)(only - p->path), only == p->path ? "." : p->path);
    s->files = h->data->files_open(only ? folder : p->path, e);
    if (!s->files)
        return e ? e->code : BA_EDATA;
    int status = find_parts(h, s, p, only, split, e);
    if (status >= 0)
        status = read_names(h, s, e);
    return status < 0 ? status : judge_labels(h, s, e);
}

static int open_cifar(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const params *p = given;
    cifar *s = calloc(1, sizeof *s);
    if (!s)
        return BA_FAIL(h, e, BA_EMACHINE, "cifar: no memory");
    int status = open_parts(h, s, p, split, e);
    if (status < 0) {
        close_cifar(h, s);
        return status;
    }
    *self = s;
    facts->count = p->limit && p->limit < s->count ? p->limit : s->count;
    facts->classes = s->classes;
    facts->class_names = s->names[0] ? s->names : NULL;
    return BA_OK;
}

static int read_record(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const cifar *s = self;
    uint8_t bytes[2 + 3 * PLANE];
    int f = 0, status = h->data->reserve(out, SIDE, SIDE, e);
    int64_t record = s->labels + 3 * PLANE;
    while (i >= s->records[f])
        i -= s->records[f++];
    if (status >= 0)
        status = h->data->file_read(s->files, s->part[f], i * record, record, bytes, e);
    if (status < 0)
        return status;
    for (int k = 0; k < PLANE; k++)
        for (int c = 0; c < 3; c++)
            out->pixels[3 * k + c] = bytes[s->labels + c * PLANE + k];
    out->label = bytes[s->label_at];
    return BA_OK;
}

static const char *const label_sets[] = { "fine", "coarse", NULL };
static const ba_data_ops ops = { .size = sizeof ops, .open = open_cifar, .read = read_record, .close = close_cifar };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(DATA), .name = "cifar", .version = "1.0", .ops = &ops,
    .doc = "CIFAR-10 and CIFAR-100 in their binary form",
    .cite = "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    BA_PARAMS(params,
        BA_STRING(params, path, "", "folder, .tar or .tar.gz with the .bin files, or one of them"),
        BA_CHOICE(params, labels, FINE, label_sets, "CIFAR-100: the 100 classes or the 20 groups"),
        BA_INT(params, limit, 0, 0, 1000000000, "images", "use only so many, the first ones; 0: all")),
};
