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

/* In front of every aligned block: where it really begins and, for a mapped one, how long it is. */
typedef struct head { void *base; size_t mapped; } head;

/* Large blocks come zeroed from the kernel, page by page as they are first touched; huge pages where it gives them on request. */
static void *map_large(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    size_t length = bytes + 2 * huge;
    if (length < bytes)
        return NULL;
    char *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    char *p = (char *)(((uintptr_t)base + 64 + huge - 1) & ~(uintptr_t)(huge - 1));
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a refusal changes nothing but speed */
    ((head *)(void *)(p - 64))[0] = (head){ base, length };
    return p;
}

void *bai_aligned_new(size_t bytes)
{
    size_t n = ((bytes ? bytes : 1) + 63) & ~(size_t)63;
    if (n < bytes)
        return NULL;
    if (n >= HUGE_FROM)
        return map_large(n);
    char *base = aligned_alloc(64, n + 64);
    if (!base)
        return NULL;
    memset(base, 0, n + 64);
    *(head *)(void *)base = (head){ base, 0 };
    return base + 64;
}

void bai_aligned_free(void *p)
{
    if (!p)
        return;
    head h = *(head *)(void *)((char *)p - 64);
    if (h.mapped)
        munmap(h.base, h.mapped);
    else
        free(h.base);
}
