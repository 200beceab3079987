/* images: pictures in one folder per class, below train/ and test/ (or val/), as a folder, a tar or a gzipped tar; and Tiny
 * ImageNet's own layout, whose text files (tiny_imagenet.c) tell the boxes of the objects and the classes of the validation pictures.
 *
 * Classes are the folders of train/ in byte order, the same for both splits. Pictures of a class are in byte order of their
 * paths. A single folder above train/ is looked through. What `bauta data pack` has written is read, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "images.h"

int images_no_memory(images *s, ba_err *e)
{
    return BA_FAIL(s->h, e, BA_EMACHINE, "%.300s: no memory for %lld pictures", s->p->path, (long long)s->count);
}

int images_is_picture(const char *name)
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

/* Sets s->folder. */
static int find_split(images *s, const char *split, ba_err *e)
{
    const char *name = split;
    if (!strcmp(split, "test")) {
        if (s->p->test[0])
            name = s->p->test;
        else if (images_tiny(s) || !has_folder(s, "test/"))
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
            return images_no_memory(s, e);
        s->classes = more;
        s->class_room = s->class_room * 2 + 64;
    }
    char *copy = strndup(name, length);
    if (!copy)
        return images_no_memory(s, e);
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
        if (!slash && images_is_picture(name))
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s is in no class folder", s->p->path, name);
        if (slash && add_class(s, name + skip, (size_t)(slash - name) - skip, e) < 0)
            return BA_EMACHINE;
    }
    if (!s->n_classes)
        return BA_FAIL(s->h, e, BA_EDATA, "%.200s: no class folders in %.200s", s->p->path, folder);
    qsort(s->classes, (size_t)s->n_classes, sizeof *s->classes, by_text);
    return BA_OK;
}

int64_t images_class(const images *s, const char *name, size_t length)
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

int images_add(images *s, int64_t file, int64_t label, ba_box box, ba_err *e)
{
    if (s->count == s->room) {
        item *more = realloc(s->items, (size_t)(s->room * 2 + 1024) * sizeof *more);
        if (!more)
            return images_no_memory(s, e);
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
        int64_t label = slash ? images_class(s, name + skip, (size_t)(slash - name) - skip) : -1;
        if (name[strlen(name) - 1] == '/' ? slash && label < 0 : images_is_picture(name) && label < 0)
            return BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s: %s", s->p->path, name,
                slash ? "a class that train does not have" : "is in no class folder");
        if (images_is_picture(name) && images_add(s, i, label, (ba_box){ 0 }, e) < 0)
            return BA_EMACHINE;
    }
    return BA_OK;
}

static int by_label(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : (x->file > y->file) - (x->file < y->file);
}

item *images_find(images *s, int64_t file, int64_t label)
{
    item key = { file, (int32_t)label, { 0 } };
    return s->count ? bsearch(&key, s->items, (size_t)s->count, sizeof key, by_label) : NULL;
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
    int status = find_top(s, e);
    if (status < 0 || (status = find_split(s, split, e)) < 0)
        return status;
    snprintf(train, sizeof train, "%strain/", s->top);
    if ((status = find_classes(s, has_folder(s, "train/") ? train : s->folder, e)) < 0)
        return status;
    int annotated = images_tiny(s) && !strcmp(s->folder + strlen(s->top), "val/");
    status = annotated ? images_annotations(s, e) : find_pictures(s, e);
    if (status >= 0)
        status = finish_items(s, e);
    return status < 0 || annotated ? status : images_boxes(s, e);
}

/* A packed data set has its order, its classes and its test split already; `limit` takes the first of each class. */
static int open_pack(images *s, const char *split, ba_data_facts *facts, ba_err *e)
{
    const char *const wrong = s->p->test[0] ? "test" : s->p->upright ? "upright" : NULL;
    if (wrong)
        return BA_FAIL(s->h, e, BA_EARG, "%s: %.300s is packed, and stays as it was packed; pack it with this setting", wrong, s->p->path);
    s->pack = s->d->pack_open(s->p->path, split, facts, e);
    int64_t *n = s->pack ? calloc((size_t)facts->classes, sizeof *n) : NULL;
    int status = n ? BA_OK : s->pack ? images_no_memory(s, e) : e ? e->code : BA_EDATA;
    for (int64_t i = 0; status >= 0 && i < facts->count; i++) {
        int32_t label = s->d->pack_label(s->pack, i);
        if (!s->p->limit || n[label]++ < s->p->limit)
            status = images_add(s, i, label, (ba_box){ 0 }, e);
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
