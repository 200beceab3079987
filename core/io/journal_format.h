/* journal_format: the bytes of a journal's header and records, for its writer and its reader. */
#ifndef BAI_JOURNAL_FORMAT_H
#define BAI_JOURNAL_FORMAT_H

#include <string.h>

#include "../base/crc.h"
#include "journal.h"

enum { BAI_JOURNAL_VERSION = 1 };

static inline uint32_t bai_get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t bai_get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static inline void bai_journal_header(uint8_t h[BAI_JOURNAL_HEADER], uint64_t id)
{
    uint32_t version = BAI_JOURNAL_VERSION, crc;
    memset(h, 0, BAI_JOURNAL_HEADER);
    memcpy(h, "BAUTAJNL", 8);
    memcpy(h + 8, &version, 4);
    memcpy(h + 16, &id, 8);
    crc = bai_crc32c(0, h, 60);
    memcpy(h + 60, &crc, 4);
}

/* The CRC covers the length, then sequence number, stream and payload. */
static inline uint32_t bai_record_crc(const uint8_t *record, uint32_t bytes)
{
    return bai_crc32c(bai_crc32c(0, record, 4), record + 8, (size_t)BAI_RECORD_HEAD - 8 + bytes);
}

/* Fills the head of a record whose payload stands behind it already. */
static inline void bai_record_seal(uint8_t *record, uint32_t bytes, uint64_t seq, uint32_t stream)
{
    uint32_t crc;
    memcpy(record, &bytes, 4);
    memcpy(record + 8, &seq, 8);
    memcpy(record + 16, &stream, 4);
    crc = bai_record_crc(record, bytes);
    memcpy(record + 4, &crc, 4);
}

#endif
