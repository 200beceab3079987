/* images: pictures in one folder per class, below train/ and test/ (or val/), as a folder, a tar or a gzipped tar; and Tiny
 * ImageNet's own layout, whose text files tell the boxes of the objects and the classes of the validation pictures.
 *
 * Classes are the folders of train/ in byte order, the same for both splits. Pictures of a class are in byte order of their
 * paths. A single folder above train/ is looked through. What `bauta data pack` has written is read, too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BA_WANT_MINOR 2
#include "bauta/data.h"

enum { MAX_NAME = 4096, MAX_TEXT = 1 << 26 };

typedef struct params {
    const char *path, *test;
    int64_t limit, upright;
} params;

typedef struct item { int64_t file; int32_t label; ba_box box; } item;

typedef struct images {
    const ba_host *h;
    const ba_data_host *d;
    const params *p;            /* during open only */
    ba_files *files;            /* NULL: a packed data set */
    ba_pack *pack;
    char top[MAX_NAME];         /* what all names begin with: "" or "cifar10/" */
    char folder[MAX_NAME];      /* of this split, with the slash at its end */
    char **classes;
    int64_t n_classes, class_room;
    item *items;
    int64_t count, room;
    int has_boxes, upright;
} images;

static int begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

static int no_memory(images *s, ba_err *e)
{
    return BA_FAIL(s->h, e, BA_EMACHINE, "%.300s: no memory for %lld pictures", s->p->path, (long long)s->count);
}

static int is_picture(const char *name)
{
    static const char *const endings[] = { "jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", NULL };
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (!strcasecmp(dot + 1, endings[i]))
            return 1;
    return 0;
}

static int has_folder(const images *s, const char *folder)
{
    char whole[2 * MAX_NAME];
    int64_t n = s->d->files_count(s->files);
    snprintf(whole, sizeof whole, "%s%s", s->top, folder);
    for (int64_t i = 0; i < n; i++)
        if (begins(s->d->file_name(s->files, i), whole))
            return 1;
    return 0;
}

/* ---- where things are ---- */

static int is_split(const char *name)
{
    return begins(name, "train/") || begins(name, "test/") || begins(name, "val/");
}

/* Sets s->top: nothing, or the one folder that train/ or test/ lies in. */
static int find_top(images *s, ba_err *e)
{
    int64_t n = s->d->files_count(s->files);
    for (int64_t i = 0; i < n; i++)
        if (is_split(s->d->file_name(s->files, i)))
            return s->top[0] = 0, BA_OK;
    for (int64_t i = 0; i < n; i++) {
        const char *name = s->d->file_name(s->files, i), *slash = strchr(name, '/');
        if (!slash || !is_split(slash + 1))
            continue;
        size_t length = (size_t)(slash + 1 - name);
        if (s->top[0] && (strncmp(name, s->top, length) || s->top[length]))
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: both %.100s and %.*s hold data; one of them as path expected", s->p->path,
                s->top, (int)(length > 100 ? 100 : length), name);
        memcpy(s->top, name, length);
        s->top[length] = 0;
    }
    if (s->top[0])
        return BA_OK;
    return BA_FAIL(s->h, e, BA_EDATA, "%.300s: no folder train, test or val in it", s->p->path);
}

static int is_tiny(const images *s)
{
    char name[2 * MAX_NAME];
    snprintf(name, sizeof name, "%sval/val_annotations.txt", s->top);
    return s->d->file_find(s->files, name) >= 0;
}

/* Sets s->folder. */
static int find_split(images *s, const char *split, ba_err *e)
{
    const char *name = split;
    if (!strcmp(split, "test")) {
        if (s->p->test[0])
            name = s->p->test;
        else if (is_tiny(s) || !has_folder(s, "test/"))
            name = "val";
    }
    if (snprintf(s->folder, sizeof s->folder, "%s%s/", s->top, name) >= (int)sizeof s->folder)
        return BA_FAIL(s->h, e, BA_EARG, "test: %.100s... is too long", name);
    if (!has_folder(s, s->folder + strlen(s->top)))
        return BA_FAIL(s->h, e, BA_EDATA, "%.300s: no folder %.100s in it", s->p->path, s->folder);
    return BA_OK;
}

/* ---- classes ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_class(images *s, const char *name, size_t length, ba_err *e)
{
    if (s->n_classes && !strncmp(s->classes[s->n_classes - 1], name, length) && !s->classes[s->n_classes - 1][length])
        return BA_OK;
    if (s->n_classes == s->class_room) {
        char **more = realloc(s->classes, (size_t)(s->class_room * 2 + 64) * sizeof *more);
        if (!more)
            return no_memory(s, e);
        s->classes = more;
        s->class_room = s->class_room * 2 + 64;
    }
    char *copy = strndup(name, length);
    if (!copy)
        return no_memory(s, e);
    s->classes[s->n_classes++] = copy;
    return BA_OK;
}

/* The folders right below `folder`. */
static int find_classes(images *s, const char *folder, ba_err *e)
{
    int64_t n = s->d->files_count(s->files);
    size_t skip = strlen(folder);
    for (int64_t i = 0; i < n; i++) {
        const char *name = s->d->file_name(s->files, i);
        if (!begins(name, folder) || !name[skip])
            continue;
        const char *slash = strchr(name + skip, '/');
        if (!slash && is_picture(name))
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s is in no class folder", s->p->path, name);
        if (slash && add_class(s, name + skip, (size_t)(slash - name) - skip, e) < 0)
            return BA_EMACHINE;
    }
    if (!s->n_classes)
        return BA_FAIL(s->h, e, BA_EDATA, "%.200s: no class folders in %.200s", s->p->path, folder);
    qsort(s->classes, (size_t)s->n_classes, sizeof *s->classes, by_text);
    return BA_OK;
}

static int64_t class_of(const images *s, const char *name, size_t length)
{
    int64_t lo = 0, hi = s->n_classes;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strncmp(s->classes[mid], name, length);
        if (!order && s->classes[mid][length])
            order = 1;
        if (!order)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

/* ---- pictures ---- */

static int add_item(images *s, int64_t file, int64_t label, ba_box box, ba_err *e)
{
    if (s->count == s->room) {
        item *more = realloc(s->items, (size_t)(s->room * 2 + 1024) * sizeof *more);
        if (!more)
            return no_memory(s, e);
        s->items = more;
        s->room = s->room * 2 + 1024;
    }
    s->items[s->count++] = (item){ file, (int32_t)label, box };
    return BA_OK;
}

/* All pictures in class folders below s->folder. */
static int find_pictures(images *s, ba_err *e)
{
    int64_t n = s->d->files_count(s->files);
    size_t skip = strlen(s->folder);
    for (int64_t i = 0; i < n; i++) {
        const char *name = s->d->file_name(s->files, i);
        if (!begins(name, s->folder) || !name[skip])
            continue;
        const char *slash = strchr(name + skip, '/');
        int64_t label = slash ? class_of(s, name + skip, (size_t)(slash - name) - skip) : -1;
        if (name[strlen(name) - 1] == '/' ? slash && label < 0 : is_picture(name) && label < 0)
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s: %s", s->p->path, name,
                slash ? "a class that train does not have" : "is in no class folder");
        if (is_picture(name) && add_item(s, i, label, (ba_box){ 0 }, e) < 0)
            return BA_EMACHINE;
    }
    return BA_OK;
}

static int by_label(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : (x->file > y->file) - (x->file < y->file);
}

/* Puts pictures in order, says which classes have none, and keeps the first `limit` of each. */
static int finish_items(images *s, ba_err *e)
{
    int64_t kept = 0, in = 0;
    if (s->count)
        qsort(s->items, (size_t)s->count, sizeof *s->items, by_label);
    for (int64_t c = 0; c < s->n_classes; c++) {
        int64_t n = 0;
        for (; in < s->count && s->items[in].label == c; in++, n++)
            if (!s->p->limit || n < s->p->limit)
                s->items[kept++] = s->items[in];
        if (!n)
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s: no images of class %.100s", s->p->path, s->folder, s->classes[c]);
    }
    s->count = kept;
    return BA_OK;
}

/* ---- text files ---- */

typedef struct text {
    images *s;
    const char *name;
    char *bytes, *at;
    int64_t line;
    char *field[6];
    int fields;
} text;

static int open_text(images *s, int64_t file, text *t, ba_err *e)
{
    int64_t n = s->d->file_size(s->files, file);
    *t = (text){ .s = s, .name = s->d->file_name(s->files, file) };
    if (n > MAX_TEXT)
        return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s: %lld bytes; at most %d expected", s->p->path, t->name, (long long)n,
            MAX_TEXT);
    t->at = t->bytes = malloc((size_t)n + 1);
    if (!t->bytes)
        return no_memory(s, e);
    t->bytes[n] = 0;
    return s->d->file_read(s->files, file, 0, n, t->bytes, e);
}

static int at_line(const text *t, const char *what, const char *value, ba_err *e)
{
    return BA_FAIL(t->s->h, e, BA_EDATA, "%.150s: %.150s:%lld: %s%s%.80s", t->s->p->path, t->name, (long long)t->line, what,
        *value ? " " : "", value);
}

/* Splits the next line that is not empty at tabs and blanks. 1: there was one, 0: end. */
static int next_line(text *t, int wanted, ba_err *e)
{
    t->fields = 0;
    while (*t->at && !t->fields) {
        t->line++;
        char *p = t->at, *end = p + strcspn(p, "\n");
        t->at = end + (*end == '\n');
        *end = 0;
        for (char *next; *(p += strspn(p, " \t\r")); p = next) {
            if (t->fields == 6)
                return at_line(t, "too many columns", "", e);
            t->field[t->fields++] = p;
            next = p + strcspn(p, " \t\r");
            next += *next ? (*next = 0, 1) : 0;
        }
    }
    if (t->fields && t->fields != wanted)
        return at_line(t, wanted == 6 ? "file, class and four box corners expected" : "file and four box corners expected", "",
            e);
    return t->fields > 0;
}

/* Four corners; the last pixel is inside, so one is added. */
static int parse_box(const text *t, int from, ba_box *box, ba_err *e)
{
    double v[4];
    for (int i = 0; i < 4; i++) {
        char *end;
        v[i] = strtod(t->field[from + i], &end);
        if (*end || end == t->field[from + i] || !(v[i] >= 0 && v[i] <= 65536))
            return at_line(t, "not a pixel position:", t->field[from + i], e);
    }
    *box = (ba_box){ (float)v[0], (float)v[1], (float)v[2] + 1, (float)v[3] + 1 };
    if (v[2] < v[0] || v[3] < v[1])
        return at_line(t, "a box that ends before it begins", "", e);
    return BA_OK;
}

/* val/val_annotations.txt names class and box of each picture in val/images. */
static int annotated_line(const text *t, char *seen, ba_err *e)
{
    images *s = t->s;
    char name[2 * MAX_NAME];
    ba_box box;
    int64_t label = class_of(s, t->field[1], strlen(t->field[1]));
    if (label < 0)
        return at_line(t, "a class that train does not have:", t->field[1], e);
    if (parse_box(t, 2, &box, e) < 0)
        return BA_EDATA;
    snprintf(name, sizeof name, "%simages/%.4000s", s->folder, t->field[0]);
    int64_t file = s->d->file_find(s->files, name);
    if (file < 0)
        return at_line(t, "no such file:", t->field[0], e);
    if (seen[file]++)
        return at_line(t, "named twice:", t->field[0], e);
    return add_item(s, file, label, box, e);
}

static int read_annotations(images *s, ba_err *e)
{
    char name[2 * MAX_NAME];
    text t;
    int64_t n = s->d->files_count(s->files);
    char *seen = calloc((size_t)n, 1);
    snprintf(name, sizeof name, "%sval_annotations.txt", s->folder);
    int status = open_text(s, s->d->file_find(s->files, name), &t, e);
    if (!seen && status >= 0)
        status = no_memory(s, e);
    while (status >= 0 && (status = next_line(&t, 6, e)) > 0)
        status = annotated_line(&t, seen, e);
    for (int64_t i = 0; i < n && status >= 0; i++) {
        const char *file = s->d->file_name(s->files, i);
        if (!seen[i] && begins(file, s->folder) && is_picture(file))
            status = BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s is not in val_annotations.txt", s->p->path, file);
    }
    s->has_boxes = 1;
    free(t.bytes);
    free(seen);
    return status;
}

static item *item_of(images *s, int64_t file, int64_t label)
{
    item key = { file, (int32_t)label, { 0 } };
    return s->count ? bsearch(&key, s->items, (size_t)s->count, sizeof key, by_label) : NULL;
}

/* CLASS/CLASS_boxes.txt, of pictures in CLASS/images. Lines of pictures beyond the limit are passed over. */
static int read_boxes_of(images *s, int64_t label, int64_t file, ba_err *e)
{
    text t;
    char name[3 * MAX_NAME];
    int status = open_text(s, file, &t, e);
    while (status >= 0 && (status = next_line(&t, 5, e)) > 0) {
        ba_box box;
        snprintf(name, sizeof name, "%s%s/images/%.4000s", s->folder, s->classes[label], t.field[0]);
        int64_t picture = s->d->file_find(s->files, name);
        status = picture < 0 ? at_line(&t, "no such file:", t.field[0], e) : parse_box(&t, 1, &box, e);
        item *i = status < 0 ? NULL : item_of(s, picture, label);
        if (i)
            i->box = box;
    }
    s->has_boxes = 1;
    free(t.bytes);
    return status;
}

static int read_boxes(images *s, ba_err *e)
{
    char name[4 * MAX_NAME];
    int status = BA_OK;
    for (int64_t c = 0; c < s->n_classes && status >= 0; c++) {
        snprintf(name, sizeof name, "%s%s/%s_boxes.txt", s->folder, s->classes[c], s->classes[c]);
        int64_t file = s->d->file_find(s->files, name);
        if (file >= 0)
            status = read_boxes_of(s, c, file, e);
    }
    return status;
}

/* ---- the plugin ---- */

static void close_images(const ba_host *h, void *self)
{
    images *s = self;
    if (!s)
        return;
    h->data->files_close(s->files);
    h->data->pack_close(s->pack);
    for (int64_t i = 0; i < s->n_classes; i++)
        free(s->classes[i]);
    free(s->classes);
    free(s->items);
    free(s);
}

static int list(images *s, const char *split, ba_err *e)
{
    char train[2 * MAX_NAME];
    if (find_top(s, e) < 0 || find_split(s, split, e) < 0)
        return BA_EDATA;
    snprintf(train, sizeof train, "%strain/", s->top);
    int status = find_classes(s, has_folder(s, "train/") ? train : s->folder, e);
    if (status < 0)
        return status;
    int annotated = is_tiny(s) && !strcmp(s->folder + strlen(s->top), "val/");
    status = annotated ? read_annotations(s, e) : find_pictures(s, e);
    if (status >= 0)
        status = finish_items(s, e);
    return status < 0 || annotated ? status : read_boxes(s, e);
}

/* A packed data set has its order, its classes and its test split already; `limit` takes the first of each class. */
static int open_pack(images *s, const char *split, ba_data_facts *facts, ba_err *e)
{
    const char *const wrong = s->p->test[0] ? "test" : s->p->upright ? "upright" : NULL;
    if (wrong)
        return BA_FAIL(s->h, e, BA_EARG, "%s: %.300s is packed, and stays as it was packed; pack it with this setting", wrong, s->p->path);
    s->pack = s->d->pack_open(s->p->path, split, facts, e);
    int64_t *n = s->pack ? calloc((size_t)facts->classes, sizeof *n) : NULL;
    int status = n ? BA_OK : s->pack ? no_memory(s, e) : e ? e->code : BA_EDATA;
    for (int64_t i = 0; status >= 0 && i < facts->count; i++) {
        int32_t label = s->d->pack_label(s->pack, i);
        if (!s->p->limit || n[label]++ < s->p->limit)
            status = add_item(s, i, label, (ba_box){ 0 }, e);
    }
    free(n);
    facts->count = s->count;
    return status;
}

static int open_files(images *s, const char *split, ba_data_facts *facts, ba_err *e)
{
    s->files = s->d->files_open(s->p->path, e);
    int status = s->files ? list(s, split, e) : e ? e->code : BA_EDATA;
    facts->count = s->count;
    facts->classes = s->n_classes;
    facts->class_names = (const char *const *)s->classes;
    facts->has_boxes = s->has_boxes;
    return status;
}

static int open_images(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const params *p = given;
    images *s = calloc(1, sizeof *s);
    if (!s)
        return BA_FAIL(h, e, BA_EMACHINE, "%.300s: no memory", p->path);
    *s = (images){ .h = h, .d = h->data, .p = p };
    int status = (s->d->is_pack(p->path) ? open_pack : open_files)(s, split, facts, e);
    if (status < 0) {
        close_images(h, s);
        return status;
    }
    s->upright = p->upright != 0;
    s->p = NULL;
    *self = s;
    return BA_OK;
}

static int read_image(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const images *s = self;
    if (s->pack)
        return h->data->pack_read(s->pack, s->items[i].file, out, e);
    int status = h->data->file_picture(s->files, s->items[i].file, out, e);
    if (status < 0)
        return status;
    out->label = s->items[i].label;
    out->box = s->items[i].box;
    return s->upright ? h->data->file_upright(s->files, s->items[i].file, out, e) : status;
}

static int encoded_image(const ba_host *h, void *self, int64_t i, ba_encoded *out, ba_err *e)
{
    const images *s = self;
    if (s->pack)
        return h->data->pack_encoded(s->pack, s->items[i].file, out, e);
    if (s->upright)
        return 0; /* turned by read */
    out->label = s->items[i].label;
    out->box = s->items[i].box;
    int status = h->data->file_encoded(s->files, s->items[i].file, out, e);
    return status < 0 ? status : 1;
}

static const ba_data_ops ops = { .size = sizeof ops, .open = open_images, .read = read_image, .close = close_images, .encoded = encoded_image };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(DATA), .name = "images", .version = "1.0", .ops = &ops,
    .doc = "pictures in one folder per class below train/ and test/ (or val/): a folder, a .tar or a .tar.gz; "
        "also Tiny ImageNet's layout, with boxes; or the file that `bauta data pack` has made",
    BA_PARAMS(params,
        BA_STRING(params, path, "", "folder, .tar, .tar.gz, or a packed data set"),
        BA_STRING(params, test, "", "folder of the test split; empty: test if there is one, otherwise val"),
        BA_INT(params, limit, 0, 0, 1000000000, "images", "use only so many of each class, the first ones; 0: all"),
        BA_FLAG(params, upright, 0, "turn photographs, and boxes given for them, as their EXIF orientation says")),
};
