/* decode: tells by the first bytes what a file is, keeps to the limits, and hands it to the decoder of its kind. */
#include "decode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int bai_picture_reserve(ba_picture *p, int64_t rows, int64_t columns, ba_err *e)
{
    if (!p || rows < 1 || columns < 1 || rows > BAI_MAX_SIDE || columns > BAI_MAX_SIDE || rows * columns > BAI_MAX_PIXELS)
        return ba_fail(e, BA_EDATA, "a picture of %lldx%lld; 1x1 to %dx%d with at most 64 Mpx expected", (long long)columns,
            (long long)rows, BAI_MAX_SIDE, BAI_MAX_SIDE);
    int64_t bytes = rows * columns * 3;
    if (bytes > p->capacity) {
        free(p->pixels);
        p->capacity = 0;
        p->pixels = malloc((size_t)bytes);
        if (!p->pixels)
            return ba_fail(e, BA_EMACHINE, "no memory for a picture of %lldx%lld", (long long)columns, (long long)rows);
        p->capacity = bytes;
    }
    p->rows = rows;
    p->columns = columns;
    return BA_OK;
}

int bai_picture_limits(int64_t rows, int64_t columns, int64_t n, const char *name, ba_err *e)
{
    if (rows < 1 || columns < 1)
        return ba_fail(e, BA_EDATA, "%.400s: %lldx%lld has no pixels", name, (long long)columns, (long long)rows);
    if (rows > BAI_MAX_SIDE || columns > BAI_MAX_SIDE)
        return ba_fail(e, BA_EDATA, "%.400s: %lldx%lld exceeds %d pixels a side", name, (long long)columns, (long long)rows,
            BAI_MAX_SIDE);
    if (rows * columns > BAI_MAX_PIXELS)
        return ba_fail(e, BA_EDATA, "%.400s: %lldx%lld exceeds 64 Mpx", name, (long long)columns, (long long)rows);
    if (rows * columns * 3 > n * 1000 + (1 << 24))
        return ba_fail(e, BA_EDATA, "%.400s: %lldx%lld out of %lld bytes exceeds a compression of 1000", name, (long long)columns,
            (long long)rows, (long long)n);
    return BA_OK;
}

static int begins(const uint8_t *p, int64_t n, const char *with, int64_t length)
{
    return n >= length && !memcmp(p, with, (size_t)length);
}

static int begins_text(const uint8_t *p, int64_t n, const char *with)
{
    return n >= (int64_t)strlen(with) && !strncasecmp((const char *)p, with, strlen(with));
}

static const char *kind_of_text(const uint8_t *p, int64_t n)
{
    int64_t at = 0, seen = n < 512 ? n : 512;
    while (at < seen && (p[at] == ' ' || (p[at] >= '\t' && p[at] <= '\r') || p[at] >= 0xef))
        at++; /* space and a byte order mark */
    if (begins_text(p + at, seen - at, "<!doctype html") || begins_text(p + at, seen - at, "<html")
        || begins_text(p + at, seen - at, "<head"))
        return "HTML (a failed download?)";
    if (begins_text(p + at, seen - at, "<svg"))
        return "SVG";
    if (begins_text(p + at, seen - at, "<"))
        return "XML (a failed download?)";
    if (begins_text(p + at, seen - at, "version https://git-lfs"))
        return "a Git LFS pointer (the data was not fetched)";
    for (int64_t i = at; i < seen; i++)
        if ((p[i] < ' ' && !(p[i] >= '\t' && p[i] <= '\r')) || p[i] == 0x7f)
            return NULL;
    return "text";
}

/* In words, what these bytes are that we cannot read. */
static const char *kind(const uint8_t *p, int64_t n)
{
    static const struct { const char *magic; int64_t length; const char *word; } known[] = {
        { "GIF8", 4, "GIF" }, { "BM", 2, "BMP" }, { "II*\0", 4, "TIFF" }, { "MM\0*", 4, "TIFF" }, { "\x1f\x8b", 2, "gzip" },
        { "PK\3\4", 4, "ZIP" }, { "%PDF", 4, "PDF" }, { "\0\0\0\x0cjP", 6, "JPEG 2000" }, { "\xff\x4f\xff\x51", 4, "JPEG 2000" },
        { "\xff\x0a", 2, "JPEG XL" }, { "OggS", 4, "Ogg" }, { "P5", 2, "PGM" }, { "P6", 2, "PPM" }, { "\x89HDF", 4, "HDF5" },
        { "\x89PN", 3, "PNG with a damaged signature" }, { "\xff\xd8", 2, "JPEG with a damaged beginning" },
    };
    int64_t zeros = 0;
    if (n >= 12 && !memcmp(p, "RIFF", 4))
        return memcmp(p + 8, "WEBP", 4) ? "RIFF" : "WebP";
    if (n >= 12 && !memcmp(p + 4, "ftyp", 4))
        return "HEIF or AVIF";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (begins(p, n, known[i].magic, known[i].length))
            return known[i].word;
    while (zeros < n && !p[zeros])
        zeros++;
    if (zeros == n || zeros >= 512)
        return "zeros (a broken copy?)";
    const char *text = kind_of_text(p, n);
    return text ? text : "of no known kind";
}

int bai_decode(const void *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e)
{
    return bai_decode_part(bytes, n, name, NULL, out, e);
}

int bai_decode_part(const void *bytes, int64_t n, const char *name, const bai_wish *wish, ba_picture *out, ba_err *e)
{
    const uint8_t *p = bytes;
    if (!name || !out || n < 0 || (n && !p))
        return ba_fail(e, BA_EARG, "decode: bytes, a name and a picture expected");
    if (!n)
        return ba_fail(e, BA_EDATA, "%.400s: is empty", name);
    if (n > BAI_MAX_FILE)
        return ba_fail(e, BA_EDATA, "%.400s: %lld bytes; at most 256 MiB expected", name, (long long)n);
    if (begins(p, n, "\xff\xd8\xff", 3))
        return bai_decode_jpeg(p, n, name, wish, out, e);
    if (begins(p, n, "\x89PNG\r\n\x1a\n", 8))
        return bai_decode_png(p, n, name, out, e);
    return ba_fail(e, BA_EDATA, "%.400s: is %s; JPEG or PNG expected", name, kind(p, n));
}
