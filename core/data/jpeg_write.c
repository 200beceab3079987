/* jpeg_write: an RGB picture as a JPEG file by libjpeg: accurate integer DCT, colours at half the resolution, as Pillow saves at its defaults. */
#include "decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct writer {
    struct jpeg_error_mgr errors;         /* first: libjpeg hands back a pointer to it */
    struct jpeg_destination_mgr to;
    jmp_buf out;
    char why[JMSG_LENGTH_MAX];
} writer;

static void leave(j_common_ptr c)
{
    writer *w = (writer *)c->err;
    c->err->format_message(c, w->why);
    longjmp(w->out, 1);
}

static void silent(j_common_ptr c)
{
    (void)c;
}

static void begin(j_compress_ptr c)
{
    (void)c; /* the memory is there already */
}

static boolean full(j_compress_ptr c)
{
    writer *w = (writer *)c->err;
    snprintf(w->why, sizeof w->why, "larger than a JPEG can be");
    longjmp(w->out, 1);
}

static void end(j_compress_ptr c)
{
    (void)c;
}

/* More than any JPEG of this size has. */
static int64_t most_bytes(int64_t rows, int64_t columns)
{
    return (rows + 16) * (columns + 16) * 6 + 4096;
}

static void write_all(j_compress_ptr c, const uint8_t *rgb, int64_t rows, int64_t columns, int quality)
{
    jpeg_create_compress(c);
    c->dest = &((writer *)c->err)->to;
    c->image_width = (JDIMENSION)columns;
    c->image_height = (JDIMENSION)rows;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    c->dct_method = JDCT_ISLOW;
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (int64_t)c->next_scanline * columns * 3);
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
}

int bai_encode_jpeg(const uint8_t *rgb, int64_t rows, int64_t columns, int quality, uint8_t **out, int64_t *n, ba_err *e)
{
    int64_t room = most_bytes(rows, columns);
    uint8_t *bytes = malloc((size_t)room);
    struct jpeg_compress_struct c = { 0 };
    writer w = { .to = { .next_output_byte = bytes, .free_in_buffer = (size_t)room, .init_destination = begin, .empty_output_buffer = full,
                         .term_destination = end } };
    *out = NULL;
    if (!bytes)
        return ba_fail(e, BA_EMACHINE, "no memory to encode a picture of %lldx%lld", (long long)columns, (long long)rows);
    c.err = jpeg_std_error(&w.errors);
    w.errors.error_exit = leave;
    w.errors.output_message = silent;
    if (setjmp(w.out)) {
        jpeg_destroy_compress(&c);
        free(bytes);
        return ba_fail(e, BA_EMACHINE, "encoding a picture of %lldx%lld: %.200s", (long long)columns, (long long)rows, w.why);
    }
    write_all(&c, rgb, rows, columns, quality);
    *n = room - (int64_t)w.to.free_in_buffer;
    *out = bytes;
    jpeg_destroy_compress(&c);
    return BA_OK;
}
