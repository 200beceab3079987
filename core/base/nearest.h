/* nearest: the nearest name, by edit distance, with bounded work whatever the names are. */
#ifndef BAI_NEAREST_H
#define BAI_NEAREST_H

typedef struct bai_nearest { const char *name, *best; int least, left; } bai_nearest;

bai_nearest bai_nearest_begin(const char *name);
void bai_nearest_try(bai_nearest *b, const char *candidate); /* NULL is no candidate */

#endif
