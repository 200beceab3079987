/* checkpoint: one file with everything a run needs to go on.
 *
 *   block    512 bytes: "BAUTACKP", version, 512, bytes of payload, run id, journal records, epoch, step, flags,
 *            CRC-32C and SHA-256 of the payload, zeros, CRC-32C of the 508 bytes before
 *   payload  a safetensors file: tensors PART/NAME, values in __metadata__ as "i:7", "f:BITS" (16 hex digits) or "s:text"
 *
 * (So `tail -c +513 epoch-0007.ckpt` is readable by any safetensors reader.) */
#ifndef BAI_CHECKPOINT_H
#define BAI_CHECKPOINT_H

#include "bauta/run.h"
#include "safetensors.h"

enum { BAI_BLOCK = 512, BAI_CHECKPOINT_VERSION = 1 };

typedef struct bai_block {
    uint64_t payload, run, records; /* run: id of the journal; records: how many it had */
    int64_t epoch, step;
    uint32_t best, crc;
    uint8_t sha[32];
} bai_block;

typedef struct bai_content {
    int32_t n_parts, n_values;
    const ba_part *parts;
    const ba_attr *values;
} bai_content;

/* b: run, records, epoch, step and best are given, the rest is filled in. */
int bai_checkpoint_write(int dirfd, const char *name, const char *label, bai_block *b, const bai_content *c, ba_err *e);
/* Opens and verifies all bytes. */
ba_checkpoint *bai_checkpoint_open(int dirfd, const char *name, const char *label, ba_err *e);
/* The block alone: cheap, for finding the newest; the payload is not looked at. */
int bai_checkpoint_peek(int dirfd, const char *name, const char *label, bai_block *out, ba_err *e);
const bai_block *bai_checkpoint_block(const ba_checkpoint *c);

#endif
