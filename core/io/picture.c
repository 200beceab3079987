/* picture: PNG files, and sheets of pictures with captions. */
#include "bauta/picture.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file.h"
#include "picture.h"

enum { TAG = 0x53484554, MARGIN = 8, LINE = BAI_GLYPH_HEIGHT + 5, SIDE = 30000, PIXELS = 100000000 };

/* ---- PNG ---- */

typedef struct bytes { uint8_t *p; size_t n, room; } bytes;

static void take(png_structp png, png_bytep p, size_t n)
{
    bytes *b = png_get_io_ptr(png);
    if (b->room - b->n < n) {
        size_t room = 2 * b->room + n + 4096;
        uint8_t *more = realloc(b->p, room);
        if (!more)
            png_error(png, "no memory");
        b->p = more;
        b->room = room;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void flush(png_structp png) { (void)png; }
static void quiet(png_structp png, png_const_charp text) { (void)png; (void)text; }

static void failed(png_structp png, png_const_charp text)
{
    (void)text;
    longjmp(*png_set_longjmp_fn(png, longjmp, sizeof(jmp_buf)), 1);
}

/* The picture as the bytes of a PNG file; 0, or -1 when libpng has failed (there is no memory). */
static int encode(bytes *out, const uint8_t *rgb, int64_t columns, int64_t rows)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, failed, quiet);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return -1;
    }
    png_set_write_fn(png, out, take, flush);
    png_set_IHDR(png, info, (png_uint_32)columns, (png_uint_32)rows, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < rows; y++)
        png_write_row(png, rgb + 3 * columns * y);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return 0;
}

static int judge_size(const char *what, int64_t columns, int64_t rows, ba_err *e)
{
    if (columns >= 1 && rows >= 1 && columns <= SIDE && rows <= SIDE && columns * rows <= PIXELS)
        return BA_OK;
    return ba_fail(e, BA_EARG, "%.200s: %lld x %lld pixels; 1 to %d a side and at most %d in all expected", what,
        (long long)columns, (long long)rows, SIDE, PIXELS);
}

int ba_png_write(const char *path, const uint8_t *rgb, int64_t columns, int64_t rows, ba_err *e)
{
    const char *base;
    bytes b = { 0 };
    if (!path || !*path || !rgb)
        return ba_fail(e, BA_EARG, "png: a path and pixels expected");
    if (judge_size(path, columns, rows, e))
        return BA_EARG;
    if (encode(&b, rgb, columns, rows)) {
        free(b.p);
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory to write it", path);
    }
    int dirfd = bai_folder_of(path, &base);
    int bad = dirfd < 0 || bai_file_put(dirfd, base, b.p,
        b.n) ? ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno)) : BA_OK;
    if (dirfd >= 0)
        close(dirfd);
    free(b.p);
    return bad;
}

/* ---- sheets ---- */

typedef struct place { int64_t width, height; } place; /* of the picture in a cell, 0 while there is none */

struct ba_sheet {
    uint32_t tag;
    int64_t columns, rows, cell_width, cell_height, head, caption, width, height;
    uint8_t *rgb;
    place *in;
};

/* The byte whose glyph shows the character that text begins with: letters of Latin-1 lose their accents, what is left is a box. */
static int shown_as(const char *text)
{
    static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYPsaaaaaaaceeeeiiiidnooooo/ouuuuypy"; /* U+00C0 to U+00FF */
    if ((unsigned char)text[0] == 0xc3 && (text[1] & 0xc0) == 0x80)
        return latin[text[1] & 0x3f];
    return (unsigned char)text[0];
}

/* Text from (x, y) on, at most `room` pixels wide. */
static void write_text(ba_sheet *s, int64_t x, int64_t y, int64_t room, const char *text)
{
    for (; *text && room >= BAI_GLYPH_WIDTH; text++) {
        if ((*text & 0xc0) == 0x80) /* the rest of a character that was shown already */
            continue;
        const uint8_t *g = bai_glyph(shown_as(text));
        for (int i = 0; i < BAI_GLYPH_WIDTH; i++)
            for (int k = 0; k < BAI_GLYPH_HEIGHT; k++)
                if (g[i] >> k & 1)
                    memset(s->rgb + 3 * ((y + k) * s->width + x + i), 0, 3);
        x += BAI_GLYPH_WIDTH + 1;
        room -= BAI_GLYPH_WIDTH + 1;
    }
}

ba_sheet *ba_sheet_new(int64_t columns, int64_t rows, int64_t cell_width, int64_t cell_height, int32_t captions,
    const char *title, ba_err *e)
{
    if (columns < 1 || rows < 1 || columns > SIDE || rows > SIDE || cell_width < 1 || cell_height < 1 || cell_width > SIDE
        || cell_height > SIDE) {
        ba_fail(e, BA_EARG, "sheet: %lld x %lld cells of %lld x %lld pixels", (long long)columns, (long long)rows,
            (long long)cell_width, (long long)cell_height);
        return NULL;
    }
    ba_sheet s = { .tag = TAG, .columns = columns, .rows = rows, .cell_width = cell_width, .cell_height = cell_height,
                   .head = title && *title ? LINE + MARGIN / 2 : 0, .caption = captions ? LINE : 0 };
    s.width = MARGIN + columns * (cell_width + MARGIN);
    s.height = MARGIN + s.head + rows * (cell_height + s.caption + MARGIN);
    if (judge_size("sheet", s.width, s.height, e))
        return NULL;
    ba_sheet *out = malloc(sizeof *out);
    s.rgb = malloc((size_t)(3 * s.width * s.height));
    s.in = calloc((size_t)(columns * rows), sizeof *s.in);
    if (!out || !s.rgb || !s.in) {
        ba_fail(e, BA_EMACHINE, "sheet: no memory for %lld x %lld pixels", (long long)s.width, (long long)s.height);
        free(out);
        free(s.rgb);
        free(s.in);
        return NULL;
    }
    memset(s.rgb, 255, (size_t)(3 * s.width * s.height));
    if (s.head)
        write_text(&s, MARGIN, MARGIN, s.width - 2 * MARGIN, title);
    *out = s;
    return out;
}

void ba_sheet_free(ba_sheet *s)
{
    if (!s || s->tag != TAG)
        return;
    s->tag = 0;
    free(s->rgb);
    free(s->in);
    free(s);
}

static int check(const ba_sheet *s, int64_t column, int64_t row, ba_err *e)
{
    if (!s || s->tag != TAG)
        return ba_fail(e, BA_EARG, "sheet expected, got %s", s ? "something else (freed?)" : "nothing");
    if (column < 0 || column >= s->columns || row < 0 || row >= s->rows)
        return ba_fail(e, BA_EARG, "sheet: cell %lld, %lld of %lld x %lld", (long long)column, (long long)row,
            (long long)s->columns, (long long)s->rows);
    return BA_OK;
}

static int64_t left_of(const ba_sheet *s, int64_t column) { return MARGIN + column * (s->cell_width + MARGIN); }
static int64_t top_of(const ba_sheet *s, int64_t row) { return MARGIN + s->head + row * (s->cell_height + s->caption + MARGIN); }

int ba_sheet_picture(ba_sheet *s, int64_t column, int64_t row, const uint8_t *rgb, int64_t width, int64_t height,
    int64_t scale, ba_err *e)
{
    if (check(s, column, row, e))
        return BA_EARG;
    if (!rgb || width < 1 || height < 1 || scale < 1 || width > s->cell_width / scale || height > s->cell_height / scale)
        return ba_fail(e, BA_EARG, "sheet: a picture of %lld x %lld, %lld times, does not fit into %lld x %lld",
            (long long)width, (long long)height,
            (long long)scale, (long long)s->cell_width, (long long)s->cell_height);
    int64_t x0 = left_of(s, column), y0 = top_of(s, row);
    for (int64_t y = 0; y < height * scale; y++)
        for (int64_t x = 0; x < width * scale; x++)
            memcpy(s->rgb + 3 * ((y0 + y) * s->width + x0 + x), rgb + 3 * (y / scale * width + x / scale), 3);
    s->in[row * s->columns + column] = (place){ width * scale, height * scale };
    return BA_OK;
}

/* Pixels y0..y1-1, x0..x1-1 of the sheet at a quarter of their brightness. */
static void darken(ba_sheet *s, int64_t y0, int64_t y1, int64_t x0, int64_t x1)
{
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            for (int c = 0; c < 3; c++)
                s->rgb[3 * (y * s->width + x) + c] /= 4;
}

int ba_sheet_mask(ba_sheet *s, int64_t column, int64_t row, int64_t grid_rows, int64_t grid_columns, const int32_t *kept,
    int64_t n, ba_err *e)
{
    if (check(s, column, row, e))
        return BA_EARG;
    place in = s->in[row * s->columns + column];
    if (!in.width || grid_rows < 1 || grid_columns < 1 || grid_rows > in.height || grid_columns > in.width || n < 0 || (n
        && !kept))
        return ba_fail(e, BA_EARG, "sheet: a grid of %lld x %lld on a picture of %lld x %lld", (long long)grid_rows,
            (long long)grid_columns,
            (long long)in.height, (long long)in.width);
    uint8_t *keep = calloc((size_t)(grid_rows * grid_columns), 1);
    int bad = keep ? BA_OK : ba_fail(e, BA_EMACHINE, "sheet: no memory");
    for (int64_t i = 0; i < n && !bad; i++) {
        if (kept[i] < 0 || kept[i] >= grid_rows * grid_columns)
            bad = ba_fail(e, BA_EARG, "sheet: patch %d of %lld", kept[i], (long long)(grid_rows * grid_columns));
        else
            keep[kept[i]] = 1;
    }
    int64_t x0 = left_of(s, column), y0 = top_of(s, row);
    for (int64_t i = 0; i < grid_rows * grid_columns && !bad; i++) {
        int64_t y = i / grid_columns, x = i % grid_columns;
        if (!keep[i])
            darken(s, y0 + y * in.height / grid_rows, y0 + (y + 1) * in.height / grid_rows,
                   x0 + x * in.width / grid_columns, x0 + (x + 1) * in.width / grid_columns);
    }
    free(keep);
    return bad;
}

int ba_sheet_caption(ba_sheet *s, int64_t column, int64_t row, const char *text, ba_err *e)
{
    if (check(s, column, row, e))
        return BA_EARG;
    if (!s->caption || !text)
        return ba_fail(e, BA_EARG, "sheet: %s", text ? "it was made without captions" : "a text expected");
    write_text(s, left_of(s, column), top_of(s, row) + s->cell_height + 3, s->cell_width, text);
    return BA_OK;
}

int ba_sheet_write(const ba_sheet *s, const char *path, ba_err *e)
{
    return check(s, 0, 0, e) ? BA_EARG : ba_png_write(path, s->rgb, s->width, s->height, e);
}

const uint8_t *bai_sheet_pixels(const ba_sheet *s, int64_t *width, int64_t *height)
{
    if (check(s, 0, 0, NULL))
        return NULL;
    if (width)
        *width = s->width;
    if (height)
        *height = s->height;
    return s->rgb;
}
