/* log: a journal's content in memory, as tables; what the HDF5 snapshot is made from. */
#ifndef BAI_LOG_H
#define BAI_LOG_H

#include "bauta/run.h"
#include "journal.h"

enum { BAI_NAME = 64, BAI_COLUMNS = 256, BAI_TEXT = 4096 };

typedef struct bai_column {
    char name[BAI_NAME], unit[32], doc[128];
    int32_t type, size, offset;  /* size: bytes in a row */
} bai_column;

typedef struct bai_table {       /* rows lie packed, as in the journal */
    uint32_t stream;
    char name[BAI_NAME], doc[256];
    int32_t columns, row_size;
    bai_column *column;
    int64_t rows, room;
    uint8_t *row;
} bai_table;

typedef struct bai_document { char name[BAI_NAME]; char *text; int64_t bytes; } bai_document;
typedef struct bai_pictures { char name[BAI_NAME]; int64_t rows, columns, count, room; uint8_t *pixels; } bai_pictures;

struct ba_log {
    uint32_t tag;
    bai_reader *reader;
    bai_table *table;
    bai_document *document;
    bai_pictures *picture;
    int64_t tables, documents, pictures, odd; /* odd: good records that make no sense */
};

ba_log *bai_log_open(int dirfd, const char *name, const char *label, ba_err *e);
const bai_table *bai_log_table(const ba_log *l, uint32_t stream); /* NULL when not declared */

int bai_is_name(const char *s, const char *also, size_t most); /* letters, digits, and the characters of `also` */

/* The payload of a declaration; 0 when a table cannot be like that. The table's numbers and texts are checked already. */
size_t bai_table_pack(const bai_table *t, uint8_t *out, size_t room);
int bai_table_same(const bai_table *a, const bai_table *b);
void bai_table_clear(bai_table *t);

/* HDF5 snapshots (snapshot.c). */
int bai_snapshot(const ba_log *l, int dirfd, const char *name, const char *label, ba_err *e);

#endif
