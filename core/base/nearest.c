/* nearest: the nearest name, by edit distance. Names are looked at up to 120 bytes, and at most 2,000 of them, so that a
 * hostile file cannot make an error message expensive. */
#include "nearest.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 120, MOST = 2000 };

static int length(const char *s)
{
    size_t n = strnlen(s, LONGEST);
    return (int)n;
}

/* Levenshtein, one row at a time. */
static int distance(const char *a, const char *b)
{
    int row[LONGEST + 1], na = length(a), nb = length(b);
    for (int j = 0; j <= nb; j++)
        row[j] = j;
    for (int i = 1; i <= na; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int change = corner + (a[i - 1] != b[j - 1]), add = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            corner = row[j];
            row[j] = change < add ? change : add;
        }
    }
    return row[nb];
}

bai_nearest bai_nearest_begin(const char *name)
{
    return (bai_nearest){ .name = name, .least = 1 + length(name) / 2, .left = MOST };
}

void bai_nearest_try(bai_nearest *b, const char *candidate)
{
    if (!candidate || b->left <= 0 || abs(length(candidate) - length(b->name)) >= b->least)
        return;
    b->left--;
    int d = distance(b->name, candidate);
    if (d < b->least) {
        b->least = d;
        b->best = candidate;
    }
}
