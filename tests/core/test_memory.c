/* The memory plan: no two buffers that live at the same time overlap, and the arena is near the lower bound. */
#include "../../core/graph/memory.h"
#include "../check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t state;
static int64_t draw(int64_t n) /* xorshift: the plan takes any numbers */
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (int64_t)(state % (uint64_t)n);
}

static void one(int64_t n, int64_t steps)
{
    bai_buffer *b = calloc((size_t)n + 1, sizeof *b);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = draw(steps), len = draw(4) ? draw(5) : draw(steps);
        b[i] = (bai_buffer){ draw(3) ? draw(100000) : draw(64), from, from + len < steps ? from + len : steps - 1, -1, 0 };
    }
    int64_t peak_step = -1, size = bai_memory_plan(b, n, &peak_step), live = 0, overlaps = 0;
    for (int64_t i = 0; i < n; i++) {
        overlaps += b[i].offset < 0 || b[i].offset % 64 || b[i].offset + b[i].bytes > size;
        if (b[i].from <= peak_step && peak_step <= b[i].to)
            live += b[i].bytes;
        for (int64_t j = 0; j < i; j++)
            overlaps += b[i].bytes && b[j].bytes && b[i].from <= b[j].to && b[j].from <= b[i].to && b[i].offset < b[j].offset + b[j].bytes &&
                        b[j].offset < b[i].offset + b[i].bytes;
    }
    CHECK(overlaps == 0, "%lld overlaps among %lld buffers", (long long)overlaps, (long long)n);
    CHECK(size >= live && (double)size <= 1.5 * (double)live + 1e5, "arena of %lld bytes for a peak of %lld", (long long)size, (long long)live);
    free(b);
}

int main(void)
{
    state = (uint64_t)time(NULL) * 2654435761u + 1;
    printf("seed %llu\n", (unsigned long long)state);
    for (int i = 0; i < 200; i++)
        one(draw(120), 1 + draw(60));
    one(0, 1);
    check_group("random plans");
    return check_done();
}
