/* help: makes JPEGs, PNGs, tars and folders for the tests of core/data. */
#include "help.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

void bytes_add(bytes *b, const void *p, int64_t n)
{
    if (b->n + n > b->room) {
        b->room = (b->n + n) * 2;
        b->p = realloc(b->p, (size_t)b->room);
    }
    if (n)
        memcpy(b->p + b->n, p, (size_t)n);
    b->n += n;
}

void bytes_end(bytes *b)
{
    free(b->p);
    *b = (bytes){ 0 };
}

uint8_t *test_picture(int64_t columns, int64_t rows)
{
    uint8_t *p = malloc((size_t)(columns * rows * 3));
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns; x++)
            for (int64_t c = 0; c < 3; c++)
                p[(y * columns + x) * 3 + c] = (uint8_t)(37 * x + 61 * y + 101 * c + 3 * x * y);
    return p;
}

uint8_t *smooth_picture(int64_t columns, int64_t rows, int channels)
{
    uint8_t *p = malloc((size_t)(columns * rows * channels));
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns; x++)
            for (int c = 0; c < channels; c++)
                p[(y * columns + x) * channels + c] = (uint8_t)(40 + (x * (3 + c) + y * (5 - c)) * 128 / (4 * (columns + rows))
                    + 8 * c);
    return p;
}

/* Each coefficient by itself, one bit after the other. */
static const jpeg_scan_info *many_scans(int *n)
{
    static jpeg_scan_info scan[320];
    *n = 0;
    for (int low = 4; low >= 0; low--)
        for (int k = 0; k < 64; k++)
            scan[(*n)++] = (jpeg_scan_info){ .comps_in_scan = 1, .Ss = k, .Se = k, .Ah = low == 4 ? 0 : low + 1, .Al = low };
    return scan;
}

bytes make_jpeg(const uint8_t *pixels, int64_t columns, int64_t rows, jpeg_kind k)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *p = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &p, &n);
    c.image_width = (JDIMENSION)columns;
    c.image_height = (JDIMENSION)rows;
    c.input_components = k.channels;
    c.in_color_space = k.channels == 1 ? JCS_GRAYSCALE : k.channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    if (k.ycck)
        jpeg_set_colorspace(&c, JCS_YCCK);
    jpeg_set_quality(&c, k.quality ? k.quality : 100, TRUE);
    if (!k.subsample)
        for (int i = 0; i < c.num_components; i++)
            c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
    if (k.across)
        c.comp_info[0].h_samp_factor = k.across, c.comp_info[0].v_samp_factor = k.down;
    c.restart_interval = (unsigned)k.restart;
    if (k.progressive)
        jpeg_simple_progression(&c);
    if (k.many_scans)
        c.scan_info = many_scans(&c.num_scans);
    c.arith_code = k.arithmetic ? TRUE : FALSE;
    jpeg_start_compress(&c, TRUE);
    for (int64_t y = 0; y < rows; y++) {
        JSAMPROW row = (JSAMPROW)(pixels + y * columns * k.channels);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    bytes b = { 0 };
    bytes_add(&b, p, (int64_t)n);
    free(p);
    return b;
}

static void png_take(png_structp png, png_bytep p, png_size_t n)
{
    bytes_add(png_get_io_ptr(png), p, (int64_t)n);
}

static void png_flush_none(png_structp png)
{
    (void)png;
}

static void png_extras(png_structp png, png_infop info, png_kind k)
{
    static png_color palette[4] = { { 10, 20, 30 }, { 200, 100, 50 }, { 0, 255, 0 }, { 7, 8, 9 } };
    static png_byte alphas[4] = { 0, 128, 255, 3 };
    static png_color_16 grey = { .gray = 1, .red = 1, .green = 2, .blue = 3 };
    if (k.type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 4);
    if (k.transparent && k.type == PNG_COLOR_TYPE_PALETTE)
        png_set_tRNS(png, info, alphas, 4, NULL);
    else if (k.transparent)
        png_set_tRNS(png, info, NULL, 0, &grey);
    if (k.text) {
        char *long_text = malloc(1 << 20);
        memset(long_text, 'a', (1 << 20) - 1);
        long_text[(1 << 20) - 1] = 0;
        png_text t = { .compression = PNG_TEXT_COMPRESSION_zTXt, .key = (char *)"Comment", .text = long_text };
        png_set_text(png, info, &t, 1);
        free(long_text);
    }
}

bytes make_png(const uint8_t *rows, int64_t row_bytes, int64_t columns, int64_t n, png_kind k)
{
    bytes b = { 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &b, png_take, png_flush_none);
    png_set_IHDR(png, info, (png_uint_32)columns, (png_uint_32)n, k.depth, k.type,
        k.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_extras(png, info, k);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < n; y++)
            png_write_row(png, rows + y * row_bytes);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return b;
}

void tar_sum(uint8_t h[512])
{
    unsigned sum = 0;
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

void tar_header(uint8_t h[512], const char *name, char type, int64_t n)
{
    char size[13];
    memset(h, 0, 512);
    memcpy(h, name, strnlen(name, 100));
    memcpy(h + 100, "0000644\0000000000\0000000000", 24);
    snprintf(size, sizeof size, "%011llo", (unsigned long long)n);
    memcpy(h + 124, size, 12);
    memcpy(h + 136, "00000000000", 12);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    tar_sum(h);
}

void tar_add(bytes *b, const char *name, char type, const void *data, int64_t n)
{
    uint8_t h[512];
    static const uint8_t zeros[512];
    tar_header(h, name, type, n);
    bytes_add(b, h, 512);
    bytes_add(b, data, n);
    bytes_add(b, zeros, (512 - n % 512) % 512);
}

void tar_end(bytes *b)
{
    static const uint8_t zeros[1024];
    bytes_add(b, zeros, 1024);
}

bytes gzipped(const bytes *b)
{
    bytes out = { 0 };
    z_stream z = { 0 };
    deflateInit2(&z, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY);
    out.room = (int64_t)deflateBound(&z, (uLong)b->n) + 64;
    out.p = malloc((size_t)out.room);
    z.next_in = b->p;
    z.avail_in = (uInt)b->n;
    z.next_out = out.p;
    z.avail_out = (uInt)out.room;
    deflate(&z, Z_FINISH);
    out.n = (int64_t)z.total_out;
    deflateEnd(&z);
    return out;
}

static char scratch_path[512];

const char *scratch(void)
{
    if (!scratch_path[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(scratch_path, sizeof scratch_path, "%s/bauta-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(scratch_path)) {
            perror(scratch_path);
            exit(1);
        }
    }
    return scratch_path;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)flag;
    (void)walk;
    return remove(path);
}

void scratch_end(void)
{
    if (scratch_path[0])
        nftw(scratch_path, drop, 16, FTW_DEPTH | FTW_PHYS);
    scratch_path[0] = 0;
}

const char *put_file(const char *name, const void *p, int64_t n)
{
    static char path[4][2048];
    static int turn;
    char *to = path[turn++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", scratch(), name);
    for (char *slash = strchr(to + strlen(scratch()) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(to, 0755);
        *slash = '/';
    }
    FILE *f = fopen(to, "wb");
    if (!f || (n && fwrite(p, 1, (size_t)n, f) != (size_t)n) || fclose(f)) {
        perror(to);
        exit(1);
    }
    return to;
}

uint32_t crc_on(uint32_t crc, const void *p, int64_t n)
{
    return (uint32_t)crc32(crc, p, (uInt)n);
}

static int set_parameter(const ba_plugin_desc *d, void *params, const char *name, const char *text)
{
    for (uint32_t i = 0; i < d->nparams; i++) {
        const ba_param *r = &d->params[i];
        ba_value v = { .s = text };
        if (strcmp(r->name, name))
            continue;
        if (r->type == BA_F64)
            v.f = atof(text);
        else if (r->type != BA_STR)
            v.i = atoll(text);
        memcpy((char *)params + r->offset, &v, sizeof v);
        return 1;
    }
    return 0;
}

ba_dataset *open_data(const ba_plugin_desc *d, const char *path, const char *split, const char *settings, ba_err *e)
{
    int64_t params[32] = { 0 };
    char name[64], text[8][64];
    int used;
    *e = (ba_err){ 0 };
    for (uint32_t i = 0; i < d->nparams; i++)
        memcpy((char *)params + d->params[i].offset, &d->params[i].def, sizeof(ba_value));
    int good = !path || set_parameter(d, params, "path", path);
    for (int i = 0; good && i < 8 && sscanf(settings, " %63[^= ]=%63s%n", name, text[i], &used) == 2; i++)
        if ((good = set_parameter(d, params, name, text[i])))
            settings += used;
    if (good && !settings[strspn(settings, " ")])
        return ba_dataset_open(d, params, split, e);
    snprintf(e->msg, sizeof e->msg, "%s has no parameters '%s'", d->name, settings);
    e->code = BA_EARG;
    return NULL;
}

uint32_t crc_of(const void *p, int64_t n)
{
    return crc_on(0, p, n);
}

uint32_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 16);
}
