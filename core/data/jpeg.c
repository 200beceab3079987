/* jpeg: one JPEG file by libjpeg: accurate integer DCT, smooth chroma upsampling, EXIF rotation ignored. Any warning is an
 * error, since libjpeg fills the rest of a truncated picture with grey and calls that a warning.
 * Of a picture of which only a part will be looked at, only the blocks of that part are transformed: columns by jpeg_crop_scanline, rows by
 * jpeg_skip_scanlines, with so much around it that smooth upsampling sees what it sees in the whole picture.
 * Four-channel files hold inverted inks (Adobe's way, and everybody's); they become RGB as Pillow converts them. */
#include "decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct reader {
    struct jpeg_error_mgr errors;         /* first: libjpeg hands back a pointer to it */
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    int code;
    char why[JMSG_LENGTH_MAX];
} reader;

static void leave(j_common_ptr c)
{
    reader *r = (reader *)c->err;
    int code = c->err->msg_code;
    r->code = code == JERR_OUT_OF_MEMORY ? BA_EMACHINE : BA_EDATA;
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JERR_INPUT_EOF || code == JERR_INPUT_EMPTY)
        snprintf(r->why, sizeof r->why, "premature end of JPEG");
    else if (code == JERR_NO_BACKING_STORE || code == JERR_TFILE_CREATE)
        snprintf(r->why, sizeof r->why, "needs more than 256 MiB to decode");
    else if (code == JERR_BAD_PRECISION)
        snprintf(r->why, sizeof r->why, "is a %d-bit JPEG; 8 bits expected", c->err->msg_parm.i[0]);
    else
        c->err->format_message(c, r->why);
    longjmp(r->out, 1);
}

static void message(j_common_ptr c, int level)
{
    if (level < 0)
        leave(c);
}

static void silent(j_common_ptr c)
{
    (void)c;
}

static void give_up(j_common_ptr c, int code, const char *why)
{
    reader *r = (reader *)c->err;
    r->code = code;
    snprintf(r->why, sizeof r->why, "%s", why);
    longjmp(r->out, 1);
}

static void progress(j_common_ptr c)
{
    if (c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > BAI_MAX_SCANS)
        give_up(c, BA_EDATA, "more than 256 scans");
}

/* What libjpeg would fail on later, or convert in a way nobody asked for. */
static void judge(j_decompress_ptr c)
{
    if (c->arith_code)
        give_up((j_common_ptr)c, BA_EDATA, "is an arithmetic-coded JPEG; Huffman coding expected");
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        give_up((j_common_ptr)c, BA_EDATA, "has neither 1, 3 nor 4 channels");
}

static void settings(j_decompress_ptr c)
{
    c->out_color_space = c->num_components == 4 ? JCS_CMYK : JCS_RGB;
    c->dct_method = JDCT_ISLOW;
    c->do_fancy_upsampling = TRUE;
    c->do_block_smoothing = FALSE; /* only guesses at what is missing, and nothing may be missing */
    c->quantize_colors = FALSE;
}

static uint8_t times(unsigned a, unsigned b) /* a * b / 255, rounded */
{
    unsigned t = a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

/* A row of inverted inks to RGB: a colour is (255 - black) - ink * (255 - black) / 255. */
static void inks_to_rgb(const uint8_t *in, uint8_t *out, int64_t columns)
{
    for (int64_t x = 0; x < columns; x++)
        for (int c = 0; c < 3; c++) {
            unsigned light = in[4 * x + 3], ink = 255u - in[4 * x + c];
            out[3 * x + c] = (uint8_t)(light - times(ink, light));
        }
}

/* Rows up to `end`, of which the first pixel belongs into column `x`. */
static void read_rows(j_decompress_ptr c, int64_t x, int64_t end, ba_picture *out)
{
    JSAMPARRAY inks = c->num_components == 4 ?
        c->mem->alloc_sarray((j_common_ptr)c, JPOOL_IMAGE, c->output_width * 4, 1) : NULL;
    while (c->output_scanline < end) {
        uint8_t *row = out->pixels + ((int64_t)c->output_scanline * out->columns + x) * 3;
        JSAMPROW to = inks ? inks[0] : row;
        jpeg_read_scanlines(c, &to, 1);
        if (inks)
            inks_to_rgb(inks[0], row, out->columns);
    }
}

/* ---- a part of a picture ---- */

#if defined(LIBJPEG_TURBO_VERSION_NUMBER) && LIBJPEG_TURBO_VERSION_NUMBER >= 2001005 /* the oldest that was held against whole pictures */

/* MARGIN: how far beyond its own place a pixel's colours come from. NARROWEST: libjpeg-turbo's upsampling counts on a few columns. */
enum { MARGIN = 2, NARROWEST = 64 };

/* Reads what region r needs; whether rows are left unread. */
static int read_part(j_decompress_ptr c, const bai_region *r, ba_picture *out)
{
    int64_t left = r->x - MARGIN, right = r->x + r->width + MARGIN, top = r->y - MARGIN, end = r->y + r->height + MARGIN;
    if (right - left < NARROWEST)
        left = right - NARROWEST;
    left = left < 0 ? 0 : left;
    right = right - left < NARROWEST ? left + NARROWEST : right;
    right = right > c->output_width ? c->output_width : right;
    end = end > c->output_height ? c->output_height : end;
    JDIMENSION x = (JDIMENSION)left, width = (JDIMENSION)(right - left);
    if (width < c->output_width)
        jpeg_crop_scanline(c, &x, &width);
    if (top > 0)
        jpeg_skip_scanlines(c, (JDIMENSION)top);
    read_rows(c, x, end, out);
    return end < c->output_height;
}
#else
static int read_part(j_decompress_ptr c, const bai_region *r, ba_picture *out)
{
    (void)r; /* this libjpeg has no way to leave something out */
    read_rows(c, 0, c->output_height, out);
    return 0;
}
#endif

/* Which part is wanted; the whole picture where leaving out would not pay, or where rows are converted whole. */
static int choose(j_decompress_ptr c, const bai_wish *wish, bai_region *r, ba_err *e)
{
    *r = (bai_region){ 0, 0, c->image_width, c->image_height };
    int status = wish ? wish->choose(wish->ctx, c->image_height, c->image_width, r, e) : BA_OK;
    if (c->num_components == 4)
        *r = (bai_region){ 0, 0, c->image_width, c->image_height };
    return status;
}

/* Everything that may jump; it owns nothing. */
static int read_all(j_decompress_ptr c, const uint8_t *bytes, int64_t n, const char *name, const bai_wish *wish, ba_picture *out, ba_err *e)
{
    bai_region r;
    jpeg_create_decompress(c);
    c->mem->max_memory_to_use = 256 << 20;
    c->progress = &((reader *)c->err)->progress;
    jpeg_mem_src(c, bytes, (unsigned long)n);
    jpeg_read_header(c, TRUE);
    int status = bai_picture_limits(c->image_height, c->image_width, n, name, e);
    if (status < 0)
        return status;
    judge(c);
    settings(c);
    if ((status = choose(c, wish, &r, e)) < 0)
        return status;
    jpeg_start_decompress(c); /* first: it refuses what needs too much memory */
    if ((status = bai_picture_reserve(out, c->image_height, c->image_width, e)) < 0)
        return status;
    if (!read_part(c, &r, out))
        jpeg_finish_decompress(c);
    return BA_OK;
}

int bai_decode_jpeg(const uint8_t *bytes, int64_t n, const char *name, const bai_wish *wish, ba_picture *out, ba_err *e)
{
    reader r = { .progress.progress_monitor = progress };
    struct jpeg_decompress_struct c;
    memset(&c, 0, sizeof c);
    c.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = leave;
    r.errors.emit_message = message;
    r.errors.output_message = silent;
    if (setjmp(r.out)) {
        jpeg_destroy_decompress(&c);
        return ba_fail(e, r.code, "%.400s: %.100s", name, r.why);
    }
    int status = read_all(&c, bytes, n, name, wish, out, e);
    jpeg_destroy_decompress(&c);
    return status;
}
