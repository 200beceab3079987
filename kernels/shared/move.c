/* move: see move.h. */
#include "move.h"

enum { PIECE = 1 << 16 }; /* bytes a task moves, about */

typedef struct job { char *to; const char *from; int64_t to_step, from_step, bytes, rows, pieces, group; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    int64_t r0 = t / j->pieces * j->group, at = t % j->pieces * PIECE, n = bai_min(PIECE, j->bytes - at);
    for (int64_t r = r0; r < bai_min(j->rows, r0 + j->group); r++) {
        if (j->from)
            memcpy(j->to + r * j->to_step + at, j->from + r * j->from_step + at, (size_t)n);
        else
            memset(j->to + r * j->to_step + at, 0, (size_t)n);
    }
}

void bai_move(const ba_kernel *k, void *to, int64_t to_step, const void *from, int64_t from_step, int64_t bytes, int64_t rows)
{
    if (bytes < 1 || rows < 1)
        return;
    job j = { to, from, to_step, from_step, bytes, rows, bai_ceil(bytes, PIECE), bai_max(1, PIECE / bytes) };
    k->parallel(k, bai_ceil(rows, j.group) * j.pieces, task, &j);
}

void bai_around(const ba_type *t, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int a = 0; a < t->rank; a++)
        *(a < axis ? outer : inner) *= a == axis ? 1 : t->dim[a];
}
