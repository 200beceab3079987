/* mem: an arena for objects that die together, and aligned blocks. */
#ifndef BAI_MEM_H
#define BAI_MEM_H

#include <stddef.h>

typedef struct bai_arena { struct bai_block *blocks; } bai_arena;

void *bai_arena_take(bai_arena *a, size_t bytes);          /* zeroed, 16-byte aligned; NULL when there is no memory */
char *bai_arena_text(bai_arena *a, const char *s);         /* a copy */
void bai_arena_free(bai_arena *a);                         /* everything taken from it */

void *bai_aligned_new(size_t bytes);                       /* zeroed, 64-byte aligned; NULL when there is no memory */
void bai_aligned_free(void *p);

#endif
