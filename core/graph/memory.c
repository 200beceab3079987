/* memory: where in the arena each buffer of a program lies. Largest first, each at the lowest offset that is free
 * during its whole life: within a few percent of the lower bound (the peak of live bytes) for training steps. */
#include "memory.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const bai_buffer *x = *(bai_buffer *const *)a, *y = *(bai_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x > y) - (x < y);
}

static int by_offset(const void *a, const void *b)
{
    const bai_buffer *x = *(bai_buffer *const *)a, *y = *(bai_buffer *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void place(bai_buffer *b, bai_buffer **placed, int64_t n, bai_buffer **clash)
{
    int64_t m = 0, at = 0;
    for (int64_t i = 0; i < n; i++)
        if (placed[i]->from <= b->to && b->from <= placed[i]->to)
            clash[m++] = placed[i];
    qsort(clash, (size_t)m, sizeof *clash, by_offset);
    for (int64_t i = 0; i < m; i++) {
        if (clash[i]->offset - at >= b->bytes)
            break;
        int64_t end = clash[i]->offset + clash[i]->bytes;
        at = end > at ? end : at;
    }
    b->offset = at;
}

static int64_t busiest(const bai_buffer *b, int64_t n)
{
    int64_t steps = 0, best = 0, most = -1;
    for (int64_t i = 0; i < n; i++)
        steps = b[i].to >= steps ? b[i].to + 1 : steps;
    int64_t *change = calloc((size_t)steps + 1, sizeof *change);
    if (!change)
        return 0;
    for (int64_t i = 0; i < n; i++) {
        change[b[i].from] += b[i].bytes;
        change[b[i].to + 1] -= b[i].bytes;
    }
    for (int64_t t = 0, live = 0; t < steps; t++)
        if ((live += change[t]) > most) {
            most = live;
            best = t;
        }
    free(change);
    return best;
}

int64_t bai_memory_plan(bai_buffer *b, int64_t n, int64_t *peak)
{
    bai_buffer **order = calloc((size_t)n + 1, sizeof *order), **clash = calloc((size_t)n + 1, sizeof *clash);
    int64_t size = order && clash ? 0 : -1;
    for (int64_t i = 0; size >= 0 && i < n; i++) {
        b[i].bytes = (b[i].bytes + 63) & ~INT64_C(63);
        order[i] = &b[i];
    }
    if (size >= 0)
        qsort(order, (size_t)n, sizeof *order, by_size);
    for (int64_t i = 0; size >= 0 && i < n; i++) {
        place(order[i], order, i, clash);
        int64_t end = order[i]->offset + order[i]->bytes;
        size = end > size ? end : size;
    }
    *peak = busiest(b, n);
    free(order);
    free(clash);
    return size;
}
