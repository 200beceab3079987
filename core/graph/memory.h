/* memory: where in the arena each buffer of a program lies. */
#ifndef BAI_MEMORY_H
#define BAI_MEMORY_H

#include <stdint.h>

typedef struct bai_buffer {
    int64_t bytes, from, to;  /* lives in steps from..to, both included */
    int64_t offset;           /* result */
    int role;
} bai_buffer;

/* Fills the offsets (multiples of 64); returns the arena's size, or -1 without memory. *peak: the step with the most live bytes. */
int64_t bai_memory_plan(bai_buffer *b, int64_t n, int64_t *peak);

#endif
