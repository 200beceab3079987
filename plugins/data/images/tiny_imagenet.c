/* tiny_imagenet: the text files of Tiny ImageNet's layout, which tell the boxes of the objects and the classes of the validation pictures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images.h"

enum { MAX_TEXT = 1 << 26 };

int images_tiny(const images *s)
{
    char name[2 * MAX_NAME];
    snprintf(name, sizeof name, "%sval/val_annotations.txt", s->top);
    return s->d->file_find(s->files, name) >= 0;
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
        return images_no_memory(s, e);
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
    int64_t label = images_class(s, t->field[1], strlen(t->field[1]));
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
    return images_add(s, file, label, box, e);
}

int images_annotations(images *s, ba_err *e)
{
    char name[2 * MAX_NAME];
    text t;
    int64_t n = s->d->files_count(s->files);
    char *seen = calloc((size_t)n, 1);
    snprintf(name, sizeof name, "%sval_annotations.txt", s->folder);
    int status = open_text(s, s->d->file_find(s->files, name), &t, e);
    if (!seen && status >= 0)
        status = images_no_memory(s, e);
    while (status >= 0 && (status = next_line(&t, 6, e)) > 0)
        status = annotated_line(&t, seen, e);
    for (int64_t i = 0; i < n && status >= 0; i++) {
        const char *file = s->d->file_name(s->files, i);
        if (!seen[i] && begins(file, s->folder) && images_is_picture(file))
            status = BA_FAIL(s->h, e, BA_EDATA, "%.200s: %.200s is not in val_annotations.txt", s->p->path, file);
    }
    s->has_boxes = 1;
    free(t.bytes);
    free(seen);
    return status;
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
        item *i = status < 0 ? NULL : images_find(s, picture, label);
        if (i)
            i->box = box;
    }
    s->has_boxes = 1;
    free(t.bytes);
    return status;
}

int images_boxes(images *s, ba_err *e)
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
