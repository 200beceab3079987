/* png: one PNG file by libpng: grey, palette, 16 bits (the upper 8 are kept), interlaced. Transparency is dropped, not
 * blended; gamma and colour profiles are ignored. A wrong CRC anywhere is an error. */
#include "decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

typedef struct reader {
    const uint8_t *bytes;
    int64_t n, at;
    jmp_buf out;
    int code;
    char why[128];
} reader;

static void leave(png_structp png, png_const_charp why)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", why);
    longjmp(r->out, 1);
}

static void ignore(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static void give(png_structp png, png_bytep to, png_size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > (png_size_t)(r->n - r->at))
        png_error(png, "premature end of PNG");
    memcpy(to, r->bytes + r->at, n);
    r->at += (int64_t)n;
}

static void settings(png_structp png)
{
    static const uint8_t passed_over[] = "iCCP\0iTXt\0zTXt\0tEXt\0eXIf\0sPLT\0hIST"; /* five bytes each */
    png_set_user_limits(png, BAI_MAX_SIDE, BAI_MAX_SIDE);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_chunk_cache_max(png, 100);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, passed_over, sizeof passed_over / 5);
}

static void to_rgb(png_structp png, png_infop info)
{
    int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    if (depth == 16)
        png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
        png_set_gray_to_rgb(png);
    if (type & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    else if (type == PNG_COLOR_TYPE_PALETTE && png_get_valid(png, info, PNG_INFO_tRNS))
        png_set_strip_alpha(png); /* libpng makes alpha of a palette's transparency */
}

/* Everything that may jump; it owns nothing. */
static int read_all(png_structp png, png_infop info, const reader *r, const char *name, ba_picture *out, ba_err *e)
{
    settings(png);
    png_read_info(png, info);
    int64_t rows = png_get_image_height(png, info), columns = png_get_image_width(png, info);
    int status = bai_picture_limits(rows, columns, r->n, name, e);
    if (status < 0)
        return status;
    to_rgb(png, info);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != (size_t)columns * 3)
        png_error(png, "channels could not be made RGB");
    if ((status = bai_picture_reserve(out, rows, columns, e)) < 0)
        return status;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < rows; y++)
            png_read_row(png, out->pixels + y * columns * 3, NULL);
    png_read_end(png, NULL);
    return BA_OK;
}

/* The size stands at a fixed place; libpng would name its own limits. */
static int judge_header(const uint8_t *p, int64_t n, const char *name, ba_err *e)
{
    if (n < 33)
        return ba_fail(e, BA_EDATA, "%.400s: premature end of PNG", name);
    int64_t columns = (int64_t)p[16] << 24 | p[17] << 16 | p[18] << 8 | p[19];
    int64_t rows = (int64_t)p[20] << 24 | p[21] << 16 | p[22] << 8 | p[23];
    return memcmp(p + 12, "IHDR", 4) ? BA_OK : bai_picture_limits(rows, columns, n, name, e);
}

int bai_decode_png(const uint8_t *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e)
{
    reader r = { .bytes = bytes, .n = n, .code = BA_EDATA };
    int status = judge_header(bytes, n, name, e);
    if (status < 0)
        return status;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, leave, ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return ba_fail(e, BA_EMACHINE, "%.400s: no memory to decode it", name);
    }
    png_set_read_fn(png, &r, give);
    if (setjmp(r.out)) {
        png_destroy_read_struct(&png, &info, NULL);
        return ba_fail(e, r.code, "%.400s: %.100s", name, r.why);
    }
    status = read_all(png, info, &r, name, out, e);
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}
