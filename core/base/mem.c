/* mem: an arena for objects that die together, and aligned blocks. */
#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct bai_block { struct bai_block *next; size_t size, used; _Alignas(16) unsigned char data[]; };

enum { BLOCK = 64 * 1024, HUGE_FROM = 4 << 20 };

void *bai_arena_take(bai_arena *a, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    struct bai_block *b = a->blocks;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK ? bytes : BLOCK;
        if (!(b = calloc(1, sizeof *b + size)))
            return NULL;
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

char *bai_arena_text(bai_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = bai_arena_take(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

void bai_arena_free(bai_arena *a)
{
    for (struct bai_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
}

void *bai_aligned_new(size_t bytes)
{
    size_t n = ((bytes ? bytes : 1) + 63) & ~(size_t)63;
    if (n < bytes)
        return NULL;
    void *p = aligned_alloc(n >= HUGE_FROM ? 2 << 20 : 64, n >= HUGE_FROM ? (n + (2 << 20) - 1) & ~(((size_t)2 << 20) - 1) : n);
    if (!p)
        return NULL;
    if (n >= HUGE_FROM) /* fewer TLB misses where the kernel gives huge pages on request; a refusal changes nothing */
        (void)madvise(p, n, MADV_HUGEPAGE);
    return memset(p, 0, n);
}

void bai_aligned_free(void *p)
{
    free(p);
}
