/* exif: the orientation that a camera wrote into a JPEG or PNG file, and pictures turned by it. Whatever is damaged counts as not
 * there: an orientation is a hint beside the picture. */
#include "exif.h"

#include <stdlib.h>
#include <string.h>

enum { UPRIGHT = 1, TAG = 0x112, SHORT = 3, ENTRY = 12 };

/* ---- reading ---- */

static uint32_t number(const uint8_t *p, int bytes, int big)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * (big ? bytes - 1 - i : i);
    return v;
}

/* In a TIFF block: byte order, 42, place of the first directory, there a count and entries of 12 bytes. */
static int in_tiff(const uint8_t *p, int64_t n)
{
    if (n < 8 || (memcmp(p, "II*\0", 4) && memcmp(p, "MM\0*", 4)))
        return UPRIGHT;
    int big = p[0] == 'M';
    int64_t at = number(p + 4, 4, big);
    if (at > n - 2)
        return UPRIGHT;
    int64_t entries = number(p + at, 2, big);
    for (at += 2; entries-- && at <= n - ENTRY; at += ENTRY)
        if (number(p + at, 2, big) == TAG && number(p + at + 2, 2, big) == SHORT && number(p + at + 4, 4, big) == 1) {
            uint32_t v = number(p + at + 8, 2, big);
            return v >= 1 && v <= 8 ? (int)v : UPRIGHT;
        }
    return UPRIGHT;
}

/* Segments FF kind, two bytes of length, until the scan begins. */
static int in_jpeg(const uint8_t *p, int64_t n)
{
    for (int64_t at = 2; at <= n - 4 && p[at] == 0xff && p[at + 1] != 0xda;) {
        int64_t length = number(p + at + 2, 2, 1);
        if (p[at + 1] == 0xff) { /* a byte of filling */
            at++;
            continue;
        }
        if (length < 2 || length > n - at - 2)
            return UPRIGHT;
        if (p[at + 1] == 0xe1 && length >= 8 && !memcmp(p + at + 4, "Exif\0\0", 6))
            return in_tiff(p + at + 10, length - 8);
        at += 2 + length;
    }
    return UPRIGHT;
}

/* Chunks: four bytes of length, four of name, data, four of CRC. */
static int in_png(const uint8_t *p, int64_t n)
{
    for (int64_t at = 8; at <= n - 12;) {
        int64_t length = number(p + at, 4, 1);
        if (length > n - at - 12)
            return UPRIGHT;
        if (!memcmp(p + at + 4, "eXIf", 4))
            return in_tiff(p + at + 8, length);
        at += 12 + length;
    }
    return UPRIGHT;
}

int bai_orientation(const void *bytes, int64_t n)
{
    const uint8_t *p = bytes;
    if (!p || n < 4)
        return UPRIGHT;
    if (p[0] == 0xff && p[1] == 0xd8)
        return in_jpeg(p, n);
    return n >= 8 && !memcmp(p, "\x89PNG", 4) ? in_png(p, n) : UPRIGHT;
}

/* ---- turning ---- */

typedef struct turn { int swap, down, right; } turn; /* rows become columns; then read from below, from the right */

/* Of the stored picture: from which side its rows and columns are read, and whether they change places. */
static turn turn_of(int orientation)
{
    static const turn turns[] = { { 0 }, { 0, 0, 0 }, { 0, 0, 1 }, { 0, 1, 1 }, { 0, 1, 0 }, { 1, 0, 0 }, { 1, 1, 0 }, { 1, 1, 1 },
        { 1, 0, 1 } };
    return turns[orientation];
}

static void copy_turned(const uint8_t *in, int64_t rows, int64_t columns, turn t, uint8_t *out)
{
    int64_t out_rows = t.swap ? columns : rows, out_columns = t.swap ? rows : columns;
    for (int64_t y = 0; y < out_rows; y++)
        for (int64_t x = 0; x < out_columns; x++, out += 3) {
            int64_t row = t.swap ? x : y, column = t.swap ? y : x;
            row = t.down ? rows - 1 - row : row;
            column = t.right ? columns - 1 - column : column;
            memcpy(out, in + 3 * (row * columns + column), 3);
        }
}

static ba_box turned_box(ba_box b, int64_t rows, int64_t columns, turn t)
{
    float R = (float)rows, C = (float)columns;
    ba_box m = { t.right ? C - b.x1 : b.x0, t.down ? R - b.y1 : b.y0, t.right ? C - b.x0 : b.x1, t.down ? R - b.y0 : b.y1 };
    return t.swap ? (ba_box){ m.y0, m.x0, m.y1, m.x1 } : m;
}

int bai_upright(ba_picture *p, int orientation, ba_err *e)
{
    if (!p || !p->pixels || orientation < 1 || orientation > 8)
        return ba_fail(e, BA_EARG, "a picture and an orientation of 1 to 8 expected, got %d", orientation);
    turn t = turn_of(orientation);
    int64_t bytes = p->rows * p->columns * 3, rows = p->rows;
    if (orientation == UPRIGHT)
        return BA_OK;
    uint8_t *copy = malloc((size_t)bytes);
    if (!copy)
        return ba_fail(e, BA_EMACHINE, "no memory for a picture of %lldx%lld", (long long)p->columns, (long long)rows);
    memcpy(copy, p->pixels, (size_t)bytes);
    copy_turned(copy, rows, p->columns, t, p->pixels);
    free(copy);
    if (p->box.x1 > p->box.x0)
        p->box = turned_box(p->box, rows, p->columns, t);
    p->rows = t.swap ? p->columns : rows;
    p->columns = t.swap ? rows : p->columns;
    return BA_OK;
}
