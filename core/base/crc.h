/* crc: CRC-32C (Castagnoli), and SHA-256, of bytes that are written and read back. */
#ifndef BAI_CRC_H
#define BAI_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t bai_crc32c(uint32_t crc, const void *p, size_t n); /* 0 to begin with; may be continued */

typedef struct bai_sha256 { uint32_t h[8]; uint64_t bytes; uint8_t rest[64]; } bai_sha256;
void bai_sha256_begin(bai_sha256 *s);
void bai_sha256_add(bai_sha256 *s, const void *p, size_t n);
void bai_sha256_end(bai_sha256 *s, uint8_t out[32]);
void bai_sha256_text(bai_sha256 *s, char out[65]); /* the end as 64 hexadecimal digits and a zero */

extern int bai_crc32c_plain, bai_sha256_plain; /* tests: 1 for the way without special instructions */

#endif
