/* place: where the folders that belong to the library lie. */
#ifndef BAI_PLACE_H
#define BAI_PLACE_H

#include <stddef.h>

/* `fixed` is a folder below the folder of installed libraries. An installed tree may have been moved (or staged by DESTDIR): the folder that
 * lies beside this library in the same way is preferred when it is there. Returns out, or fixed. */
const char *bai_place(const char *fixed, char *out, size_t size);

#endif
