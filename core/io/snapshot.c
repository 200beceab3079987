/* snapshot: a complete HDF5 file of a log, built in memory and put under its name in one step. libhdf5 never sees the disk:
 * a full disk or a kill meets our own file writing only. Oldest file format, fixed-length text, so that every
 * reader opens it; one compound table per stream at the root, texts under /about, pictures under /images.
 * All calls into libhdf5 of this program are in this file, and one thread makes them. */
#include <errno.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

typedef struct build { hid_t file; const char *label, *what; ba_err *e; } build;

static int broken(build *b, const char *call)
{
    return ba_fail(b->e, BA_EMACHINE, "%.200s: libhdf5 failed at %s of %.100s", b->label, call, b->what);
}

static void prepare(void)
{
    static int done;
    if (done)
        return;
    done = 1;
    H5dont_atexit(); /* its exit handler has crashed after failures; what it would flush is ours to write */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static hid_t text_type(size_t size)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && (H5Tset_size(t, size ? size : 1) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0 || H5Tset_strpad(t,
        H5T_STR_NULLPAD) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

/* Closes what was opened; with the result of the work, says whether all went well. */
static int done(build *b, int good, hid_t type, hid_t space, hid_t set, const char *call)
{
    if (set >= 0)
        good &= (H5Iget_type(set) == H5I_ATTR ? H5Aclose(set) : H5Dclose(set)) >= 0;
    if (space >= 0)
        good &= H5Sclose(space) >= 0;
    if (type >= 0)
        good &= H5Tclose(type) >= 0;
    return good ? BA_OK : broken(b, call);
}

static int text_attribute(build *b, hid_t on, const char *name, const char *value)
{
    hid_t type = text_type(strlen(value)), space = H5Screate(H5S_SCALAR), a = -1;
    if (type >= 0 && space >= 0)
        a = H5Acreate2(on, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return done(b, a >= 0 && H5Awrite(a, type, *value ? value : "\0") >= 0, type, space, a, name);
}

/* A list of texts, one for each column: how units and meanings are kept. */
static int list_attribute(build *b, hid_t on, const char *name, const bai_table *t, size_t member, size_t width)
{
    hsize_t n = (hsize_t)t->columns;
    char *all = calloc((size_t)t->columns, width);
    if (!all)
        return ba_fail(b->e, BA_EMACHINE, "%.300s: no memory", b->label);
    for (int i = 0; i < t->columns; i++)
        memcpy(all + (size_t)i * width, (const char *)(t->column + i) + member, width);
    hid_t type = text_type(width), space = H5Screate_simple(1, &n, NULL), a = -1;
    if (type >= 0 && space >= 0)
        a = H5Acreate2(on, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int r = done(b, a >= 0 && H5Awrite(a, type, all) >= 0, type, space, a, name);
    free(all);
    return r;
}

static hid_t row_type(const bai_table *t)
{
    hid_t row = H5Tcreate(H5T_COMPOUND, (size_t)t->row_size);
    for (int i = 0; i < t->columns && row >= 0; i++) {
        const bai_column *c = t->column + i;
        hid_t cell = c->type == BA_STR ? text_type((size_t)c->size) : H5Tcopy(c->type == BA_I64 ? H5T_NATIVE_INT64
            : H5T_NATIVE_DOUBLE);
        int good = cell >= 0 && H5Tinsert(row, c->name, (size_t)c->offset, cell) >= 0;
        if (cell >= 0)
            good &= H5Tclose(cell) >= 0;
        if (!good) {
            H5Tclose(row);
            row = -1;
        }
    }
    return row;
}

static int write_table(build *b, const bai_table *t)
{
    hsize_t n = (hsize_t)t->rows;
    b->what = t->name;
    hid_t type = row_type(t), space = H5Screate_simple(1, &n, NULL), set = -1;
    if (type >= 0 && space >= 0)
        set = H5Dcreate2(b->file, t->name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int good = set >= 0 && (!t->rows || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->row) >= 0);
    if (good && (text_attribute(b, set, "meaning", t->doc)
              || list_attribute(b, set, "units", t, offsetof(bai_column, unit), sizeof t->column->unit)
              || list_attribute(b, set, "meanings", t, offsetof(bai_column, doc), sizeof t->column->doc)))
        good = 0;
    return done(b, good, type, space, set, "writing");
}

static int write_document(build *b, hid_t group, const bai_document *d)
{
    b->what = d->name;
    hid_t type = text_type((size_t)d->bytes), space = H5Screate(H5S_SCALAR), set = -1;
    if (type >= 0 && space >= 0)
        set = H5Dcreate2(group, d->name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    return done(b, set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, d->text) >= 0, type, space, set, "writing");
}

static int write_pictures(build *b, hid_t group, const bai_pictures *d)
{
    hsize_t n[3] = { (hsize_t)d->count, (hsize_t)d->rows, (hsize_t)d->columns };
    b->what = d->name;
    hid_t space = H5Screate_simple(3, n, NULL), set = -1;
    if (space >= 0)
        set = H5Dcreate2(group, d->name, H5T_NATIVE_UINT8, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int good = set >= 0 && (!d->count || H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, d->pixels) >= 0);
    return done(b, good, -1, space, set, "writing");
}

static int write_group(build *b, const ba_log *l, const char *name)
{
    int documents = name[0] == 'a', r = BA_OK;
    int64_t n = documents ? l->documents : l->pictures;
    if (!n)
        return BA_OK;
    b->what = name;
    hid_t g = H5Gcreate2(b->file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (g < 0)
        return broken(b, "creating");
    for (int64_t i = 0; i < n && !r; i++)
        r = documents ? write_document(b, g, l->document + i) : write_pictures(b, g, l->picture + i);
    b->what = name;
    return H5Gclose(g) < 0 && !r ? broken(b, "closing") : r;
}

static int write_all(build *b, const ba_log *l)
{
    b->what = "/";
    int r = text_attribute(b, b->file, "format", "bauta run 1");
    for (int64_t i = 0; i < l->tables && !r; i++)
        r = write_table(b, l->table + i);
    if (!r)
        r = write_group(b, l, "about");
    return r ? r : write_group(b, l, "images");
}

static hid_t open_in_memory(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (access < 0)
        return -1;
    if (H5Pset_fapl_core(access, 1 << 20, 0) >= 0 && H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST) >= 0)
        file = H5Fcreate("run.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    return file;
}

/* The finished file as bytes. */
static void *image(build *b, size_t *bytes)
{
    ssize_t n;
    void *p = NULL;
    b->what = "the file";
    if (H5Fflush(b->file, H5F_SCOPE_GLOBAL) < 0 || (n = H5Fget_file_image(b->file, NULL, 0)) <= 0) {
        broken(b, "flushing");
        return NULL;
    }
    if (!(p = malloc((size_t)n)))
        ba_fail(b->e, BA_EMACHINE, "%.300s: no memory for %lld bytes", b->label, (long long)n);
    else if (H5Fget_file_image(b->file, p, (size_t)n) != n) {
        broken(b, "copying");
        free(p);
        p = NULL;
    }
    *bytes = (size_t)n;
    return p;
}

int bai_snapshot(const ba_log *l, int dirfd, const char *name, const char *label, ba_err *e)
{
    prepare();
    build b = { .file = open_in_memory(), .label = label, .what = "a file in memory", .e = e };
    size_t bytes = 0;
    void *p = NULL;
    if (b.file < 0)
        return broken(&b, "creating");
    int r = write_all(&b, l);
    if (!r && !(p = image(&b, &bytes)))
        r = BA_EMACHINE;
    if (H5Fclose(b.file) < 0 && !r)
        r = broken(&b, "closing");
    if (!r && bai_file_put(dirfd, name, p, bytes))
        r = ba_fail(e, BA_EMACHINE, "%.300s: writing %lld bytes: %s", label, (long long)bytes, strerror(errno));
    free(p);
    return r;
}
