/* bauta/data.h: data sets, the loader that turns them into batches, and what the core offers to data plugins.
 *
 * A data set is one split of one data plugin. A loader reads it by several threads and gives whole batches in order.
 * Nothing depends on the number of threads: the order of an epoch is a function of (seed, epoch), the augmentation of a
 * sample one of (seed, epoch, sample), so a run can be taken up again at any batch.
 * Pictures are RGB, 8 bits, row-major, rows x columns x 3. A data plugin may give spectrograms instead: one channel of fp32 numbers,
 * rows (frequencies, from low to high) x columns (time), all of one size. */
#ifndef BAUTA_DATA_H
#define BAUTA_DATA_H

#include "base.h"
#include "plugin.h"

#pragma GCC visibility push(default)
/* cdef begin */
struct ba_plugin_desc;
typedef struct ba_dataset ba_dataset;
typedef struct ba_loader ba_loader;

/* ---- data sets ---- */
/* Opens a split ("train" or "test") of a data plugin. params: the plugin's filled struct, needed during the call only. */
ba_dataset *ba_dataset_open(const struct ba_plugin_desc *desc, const void *params, const char *split, ba_err *e);
void ba_dataset_free(ba_dataset *d);                      /* after the loaders over it */
int64_t ba_dataset_count(const ba_dataset *d);            /* samples; -1 for NULL */
int64_t ba_dataset_classes(const ba_dataset *d);
/* Name of a class, lent; NULL when out of range, or when the classes are mere numbers. */
const char *ba_dataset_class(const ba_dataset *d, int64_t i);
int32_t ba_dataset_has_boxes(const ba_dataset *d);
int64_t ba_data_channels(const struct ba_plugin_desc *desc); /* of a data plugin's samples: 3 (pictures) or 1 (spectrograms); -1 for any other descriptor */
int64_t ba_dataset_channels(const ba_dataset *d);
/* The size of every spectrogram; 0 where samples are pictures. */
int64_t ba_dataset_rows(const ba_dataset *d);
int64_t ba_dataset_columns(const ba_dataset *d);
/* Decoded samples are kept in memory where the whole set fits into this many bytes (at first 536870912; 0: never), as 32 of them tell, spread
 * evenly over the set. To be set before anything is read. */
int ba_dataset_keep(ba_dataset *d, int64_t bytes, ba_err *e);

typedef struct ba_sample {
    int64_t rows, columns;
    const uint8_t *pixels;   /* NULL: it is a spectrogram */
    int64_t label;
    float box[4];            /* x0, y0, x1, y1 in pixels, x1 and y1 just outside; x1 <= x0: unknown */
    const float *values;     /* of a spectrogram; otherwise NULL */
} ba_sample;
/* One sample as it is stored, without augmentation. Lent until the next call with this data set; one thread at a time. */
int ba_dataset_read(ba_dataset *d, int64_t i, ba_sample *out, ba_err *e);
/* SHA-256 of a sample's size and pixels (or values), 64 hexadecimal digits and a zero byte. Returns its label. */
int ba_dataset_hash(ba_dataset *d, int64_t i, char out[65], ba_err *e);

/* ---- packed data sets: both splits in one file, which the data plugin `images` reads ---- */
enum { BA_PACK_RAW = 0,          /* pixels as they are: largest and fastest */
       BA_PACK_JPEG = 1,         /* as JPEG of a quality */
       BA_PACK_SAME = 2 };       /* the source's own files, byte by byte; never with another size */
typedef struct ba_packer ba_packer;
typedef struct ba_pack_how {
    uint32_t size;               /* sizeof(ba_pack_how) */
    int32_t coding;              /* BA_PACK_* */
    int32_t quality;             /* JPEG: 1..100 */
    int32_t interpolation;       /* BA_BICUBIC or BA_BILINEAR, as Pillow resizes */
    int32_t threads;             /* 0: as many as there are processors, at most 16 */
    int64_t rows, columns;       /* both 0: sizes stay; columns 0: the shorter side becomes `rows`; 1..4096 */
} ba_pack_how;

/* Nothing is there under this path before ba_packer_end; what was there stays until then. */
ba_packer *ba_packer_new(const char *path, const ba_pack_how *how, ba_err *e);
void ba_packer_free(ba_packer *p);
/* The data set that pictures come from next, "train" before "test"; it must live until they are added. Both have the same classes. */
int ba_packer_split(ba_packer *p, ba_dataset *d, const char *split, ba_err *e);
int ba_packer_add(ba_packer *p, int64_t first, int64_t n, ba_err *e);
int64_t ba_packer_end(ba_packer *p, ba_err *e);           /* bytes of the file */

/* ---- augmentation ---- */
enum { BA_AUGMENT_NONE = 0,      /* pictures must have the wanted size already */
       BA_AUGMENT_CROP = 1,      /* random resized crop, then flip: training on photographs */
       BA_AUGMENT_PAD = 2,       /* border of `pad` black pixels, random crop of the wanted size, flip: for small pictures */
       BA_AUGMENT_EVALUATE = 3 };/* shorter side to floor(image / crop), centre crop: testing on photographs */
enum { BA_BICUBIC = 0, BA_BILINEAR = 1 };

typedef struct ba_augment {
    uint32_t size;               /* sizeof(ba_augment) */
    int32_t policy;              /* BA_AUGMENT_* */
    int32_t interpolation;       /* BA_BICUBIC or BA_BILINEAR: as Pillow resizes, to the bit */
    int32_t pad;                 /* PAD: pixels on each side, 0..1024 */
    int64_t image;               /* side of the square result in pixels, 1..4096 */
    double scale_low, scale_high;/* CROP: share of the area, 0 < low <= high <= 1 */
    double ratio_low, ratio_high;/* CROP: width / height, 0.01 <= low <= high <= 100 */
    double flip;                 /* CROP, PAD: probability of mirroring, 0..1 */
    double crop;                 /* EVALUATE: share of the shorter side that is kept, 0.1 <= crop <= 1 */
    int64_t operations;          /* CROP, PAD: random operations afterwards (RandAugment), 0..8; DeiT takes 2 */
    double magnitude, spread;    /* of them: mean and standard deviation of the level, 0..10 */
    /* CROP, PAD: colours afterwards, each with its probability. */
    int32_t three;               /* 1: exactly one of grey, solarised, blurred (3-Augment of DeiT III) */
    int32_t once;                /* CROP: 1: a crop that does not fit is cut to the picture; 0: it is drawn again, ten times (torchvision) */
    double jitter;               /* probability of the next four, in random order: */
    double brightness, contrast, saturation; /* factors from [1 - this, 1 + this], 0..10 */
    double hue;                  /* turned by up to this share of the circle, 0..0.5 */
    double grey, blur, solarize; /* probabilities: no colour; blurred by 0.1 to 2 pixels; values above 128 inverted */
    double frequency_mask, time_mask; /* spectrograms: a band of up to so many rows, and of so many columns, becomes 0 (SpecAugment); 0: none */
} ba_augment;

/* ---- single pictures ---- */
/* Reads a JPEG or PNG file into rgb [how->image, how->image, 3]; policy: none or evaluate. upright: 1 turns it as EXIF says. */
int ba_picture_load(const char *path, int32_t upright, const ba_augment *how, uint8_t *rgb, ba_err *e);
/* The same of a sample; spectrograms have no picture. */
int ba_dataset_show(ba_dataset *d, int64_t i, const ba_augment *how, uint8_t *rgb, ba_err *e);

/* ---- pictures that cannot be read ---- */
/* Reads samples first..first+n-1, all of each, by several threads (0: one per processor, at most 16): bad[k] becomes 1 where sample first+k cannot be
 * read (it would be BA_EDATA), otherwise 0. Returns how many cannot. */
int64_t ba_dataset_judge(ba_dataset *d, int64_t first, int64_t n, int32_t threads, uint8_t *bad, ba_err *e);
/* Leaves n samples out, whose numbers ascend; those behind them move up. Once, and before there are loaders over it. */
int ba_dataset_leave_out(ba_dataset *d, int64_t n, const int64_t *samples, ba_err *e);

/* ---- loading ---- */
enum { BA_BAD_STOP = 0,          /* a sample that cannot be read ends the run: ba_loader_next fails */
       BA_BAD_REPLACE = 1 };     /* another takes its place, a function of (seed, epoch, sample); pictures are then always decoded whole, so
                                  * that what is bad does not depend on the crop */

typedef struct ba_loader_options {
    uint32_t size;               /* sizeof(ba_loader_options) */
    int32_t shuffle;             /* 0: samples in order */
    int32_t drop_last;           /* 1: a last batch that is short is left out */
    int32_t threads;             /* 0: as many as there are processors, at most 16 */
    int64_t batch;               /* samples, 1..65536 */
    int64_t ahead;               /* whole batches prepared before they are asked for, 1..64 */
    uint64_t seed;
    int64_t repeats;             /* repeated augmentation: each sample so many times in a row, 1..64; the epoch stays as long */
    int64_t view;                /* which of several views of a picture this loader draws, 0..255; each is drawn by itself */
    int64_t subset;              /* so many samples only, evenly spaced over the set; 0, or more than there are: all */
    int64_t bad;                 /* BA_BAD_* */
    ba_augment augment;          /* of spectrograms: policy 0 and the two masks, nothing else; `image` says nothing there */
} ba_loader_options;

typedef struct ba_batch {
    int64_t count;               /* samples in it, B; less than asked for only in the last one */
    int64_t rows, columns;
    int64_t epoch, number;       /* the number within the epoch, from 0 */
    const uint8_t *images;       /* [B,rows,columns,3]; NULL: spectrograms */
    const int32_t *labels;       /* [B] */
    const float *boxes;          /* [B,4]: x0, y0, x1, y1 in pixels of the image; x1 <= x0: unknown, or cropped away */
    const int64_t *samples;      /* [B] */
    const float *values;         /* spectrograms [B,rows,columns]; otherwise NULL */
    const int64_t *wanted;       /* [B]: whose place it is: another than in `samples` where that one could not be read and was replaced */
    int64_t replaced;            /* how many were */
} ba_batch;

/* Random resized crop at 224 with DeiT's constants, shuffled, batches of 128, last one dropped. */
void ba_loader_defaults(ba_loader_options *o);
ba_loader *ba_loader_new(ba_dataset *d, const ba_loader_options *o, ba_err *e);
void ba_loader_free(ba_loader *l);                        /* at any time */
int64_t ba_loader_batches(const ba_loader *l);            /* of an epoch */
/* Begins an epoch (0..2^31-1) at a batch (0..batches); what was prepared before is thrown away. */
int ba_loader_start(ba_loader *l, int64_t epoch, int64_t first_batch, ba_err *e);
/* 1: *out is the next batch, lent until the next call with this loader. 0: the epoch is over. Negative: an error; a sample that
 * cannot be read is the error of its batch, and the loader then stays at it until it is started again. */
int ba_loader_next(ba_loader *l, const ba_batch **out, ba_err *e);
/* Images per second over `seconds`, from the loader's first batch on, through as many epochs as that takes; 0 on error. */
double ba_loader_speed(ba_loader *l, double seconds, ba_err *e);
/* cdef end */

/* ---- for data plugins ---- */
typedef struct ba_pack ba_pack;   /* one split of a packed data set */
typedef struct ba_files ba_files; /* the files of a folder, a .tar or a .tar.gz: sorted by name, read in place */

/* A data plugin's ba_host has `fail` and `data` and nothing that builds graphs. All functions here may be called from any
 * thread; files_open and files_close from one at a time. */
typedef struct ba_data_host { /* append only */
    uint32_t size;

    /* Names are relative, with '/', in byte order; folders are listed too, their names end in '/'. Names that begin
     * with a dot are left out. A .tar.gz is unpacked once into the user's cache folder. */
    ba_files *(*files_open)(const char *path, ba_err *e);
    void (*files_close)(ba_files *f);
    int64_t (*files_count)(const ba_files *f);
    const char *(*file_name)(const ba_files *f, int64_t i);        /* lent; NULL when out of range */
    int64_t (*file_size)(const ba_files *f, int64_t i);            /* bytes; -1 when out of range */
    int64_t (*file_find)(const ba_files *f, const char *name);     /* -1: not there */
    /* Exactly these bytes of a file; an error when it has changed since it was listed. */
    int (*file_read)(const ba_files *f, int64_t i, int64_t offset, int64_t bytes, void *out, ba_err *e);
    /* How messages should call a file. */
    void (*file_label)(const ba_files *f, int64_t i, char *out, int64_t bytes);

    /* Room for rows x columns pixels; sets rows, columns, pixels. Earlier pixels are lost. */
    int (*reserve)(ba_picture *p, int64_t rows, int64_t columns, ba_err *e);
    /* JPEG or PNG, told apart by its first bytes. Sets rows, columns and pixels. name: for messages. */
    int (*decode)(const void *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);
    /* file_read and decode. */
    int (*file_picture)(const ba_files *f, int64_t i, ba_picture *out, ba_err *e);
    /* The part of `in` from (x, y), width x height pixels, resized into `out`, which has its size already. */
    int (*resize)(const ba_picture *in, int64_t x, int64_t y, int64_t width, int64_t height, int interpolation,
                  ba_picture *out, ba_err *e);
#if BA_WANT_MINOR >= 1
    /* Turns a picture that was read from file i, and its box, upright, as EXIF says there; without EXIF it stays as it is. */
    int (*file_upright)(const ba_files *f, int64_t i, ba_picture *p, ba_err *e);
#endif
#if BA_WANT_MINOR >= 2
    /* Room for n bytes; sets n and bytes. Earlier bytes are lost. */
    int (*reserve_bytes)(ba_encoded *p, int64_t n, ba_err *e);
    /* All bytes of a file, and its label as name. */
    int (*file_encoded)(const ba_files *f, int64_t i, ba_encoded *out, ba_err *e);

    /* Packed data sets (`bauta data pack`): whether a path names one; a split of it, with the facts of the plugin's `open` filled, names included,
     * which live as long as it does. */
    int (*is_pack)(const char *path);
    ba_pack *(*pack_open)(const char *path, const char *split, ba_data_facts *facts, ba_err *e);
    void (*pack_close)(ba_pack *p);
    int32_t (*pack_label)(const ba_pack *p, int64_t i);
    /* As a plugin's `read` and `encoded`. */
    int (*pack_read)(const ba_pack *p, int64_t i, ba_picture *out, ba_err *e);
    int (*pack_encoded)(const ba_pack *p, int64_t i, ba_encoded *out, ba_err *e);
#endif
#if BA_WANT_MINOR >= 3
    /* For plugins whose channels are 1. Room for rows x columns numbers; sets rows, columns, values. Earlier numbers are lost. */
    int (*reserve_values)(ba_picture *p, int64_t rows, int64_t columns, ba_err *e);
    /* The log-mel energies of a sound of n samples, one channel, `rate` (1000 to 768000) of them a second, as the Audio Spectrogram Transformer takes
     * them: brought to 16 kHz, windows of 25 ms every 10 ms, `bins` (8 to 512) rows; cut, or filled up with zeros, to `frames` (1 to 16384) columns. */
    int (*spectrum)(const float *sound, int64_t n, int64_t rate, int64_t bins, int64_t frames, ba_picture *out, ba_err *e);
#endif
} ba_data_host;
#pragma GCC visibility pop

#endif
