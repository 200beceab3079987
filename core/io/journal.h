/* journal: the append-only file that is the truth of a run while it goes.
 *
 *   header   64 bytes: "BAUTAJNL", u32 version, u32 0, u64 id of the run, zeros, u32 CRC of the 60 bytes before
 *   record   u32 bytes of payload, u32 CRC of what follows it and of the length, u64 sequence number, u32 stream, payload
 *
 * All numbers are little endian, all CRCs CRC-32C. Streams below BAI_FIRST_STREAM are: declarations, documents,
 * images, and empty records in the place of lost ones. */
#ifndef BAI_JOURNAL_H
#define BAI_JOURNAL_H

#include "../base/file.h"

enum { BAI_JOURNAL_HEADER = 64, BAI_RECORD_HEAD = 20, BAI_RECORD_MOST = 16 << 20,
       BAI_DECLARATION = 0, BAI_DOCUMENT = 1, BAI_PICTURE = 2, BAI_LOST = 3, BAI_FIRST_STREAM = 16 };

/* ---- writing ---- */
typedef struct bai_journal bai_journal;

int bai_journal_create(int dirfd, const char *name, const char *label, uint64_t id, ba_err *e);
/* Opens a journal without damage (made by create or cut) for appending. */
bai_journal *bai_journal_open(int dirfd, const char *name, const char *label, ba_err *e);
void bai_journal_free(bai_journal *j);
/* One write at a known offset. On failure the file is cut back to its last good record, and e says file and bytes. */
int bai_journal_append(bai_journal *j, uint32_t stream, const void *payload, size_t bytes, ba_err *e);
int bai_journal_sync(bai_journal *j, ba_err *e);      /* a failure is final: all further calls fail */
uint64_t bai_journal_records(const bai_journal *j);
uint64_t bai_journal_id(const bai_journal *j);
/* A new journal with the good records below number `records`, put in place of the old one. */
int bai_journal_cut(int dirfd, const char *name, const char *label, uint64_t records, ba_err *e);

/* ---- reading ---- */
typedef struct bai_record { uint64_t seq; uint32_t stream, bytes; const uint8_t *data; } bai_record;
typedef struct bai_reader bai_reader;

bai_reader *bai_reader_open(int dirfd, const char *name, const char *label, ba_err *e);
void bai_reader_free(bai_reader *r);
/* 1: a record whose CRC fits (lent until the next call); 0: nothing more (yet); negative: cannot read.
 * Damaged records are skipped and counted. */
int bai_reader_next(bai_reader *r, bai_record *out, ba_err *e);
int64_t bai_reader_damaged(const bai_reader *r);      /* places that were skipped */
uint64_t bai_reader_first_damaged(const bai_reader *r); /* number of the first record lost there */
int64_t bai_reader_torn(const bai_reader *r);         /* bytes behind the last record, after next() gave 0 */
uint64_t bai_reader_id(const bai_reader *r);
const char *bai_reader_label(const bai_reader *r);

#endif
