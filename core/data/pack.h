/* pack: a packed data set: both splits in one file, as `bauta data pack` writes it.
 *
 * A file is a head, the pictures, each at a multiple of BAI_PACK_ALIGN, and the index, which ends where the file ends. All numbers are little
 * endian. The head and the index have a CRC-32C each, and so has every picture. The index: a bai_pack_names with the classes' names behind it,
 * each closed by a zero, zeros up to a multiple of 8; then one bai_pack_entry for each picture, those of train first. */
#ifndef BAI_DATA_PACK_H
#define BAI_DATA_PACK_H

#include "bauta/data.h"

#define BAI_PACK_MAGIC "BAUTAPK\n"

enum { BAI_PACK_VERSION = 1, BAI_PACK_ALIGN = 64, BAI_PACK_CLASSES = 1 << 20, BAI_PACK_TEXT = 1 << 26 };
enum { BAI_PACK_PIXELS = 0, BAI_PACK_FILE = 1 };                   /* RGB without gaps; a whole JPEG or PNG file */
enum { BAI_PACK_NAMED = 1, BAI_PACK_TRAIN_BOXES = 2, BAI_PACK_TEST_BOXES = 4 };

typedef struct bai_pack_head {
    char magic[8];
    uint32_t version, crc;                                         /* crc: of the head behind it */
    uint64_t bytes, index_at, index_bytes;                         /* bytes: of the whole file */
    uint32_t index_crc, classes;
    uint64_t count[2];                                             /* of train, of test */
} bai_pack_head;

typedef struct bai_pack_names { uint32_t flags, bytes; } bai_pack_names;

typedef struct bai_pack_entry {
    uint64_t at;
    uint32_t bytes, crc, rows, columns;
    int32_t label;
    uint32_t coding;
    float box[4];                                                  /* all 0: unknown */
} bai_pack_entry;

int bai_is_pack(const char *path);
/* split: "train" or "test". Fills facts but its size. */
ba_pack *bai_pack_open(const char *path, const char *split, ba_data_facts *facts, ba_err *e);
ba_pack *bai_pack_open_fd(int fd, const char *path, const char *split, ba_data_facts *facts, ba_err *e); /* takes fd */
void bai_pack_close(ba_pack *p);
int32_t bai_pack_label(const ba_pack *p, int64_t i);
int bai_pack_read(const ba_pack *p, int64_t i, ba_picture *out, ba_err *e);
int bai_pack_encoded(const ba_pack *p, int64_t i, ba_encoded *out, ba_err *e); /* 1, or 0: it is stored as pixels */

#endif
