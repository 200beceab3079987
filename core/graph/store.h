/* store: named, persistent tensors on a device. */
#ifndef BAI_STORE_H
#define BAI_STORE_H

#include "bauta/graph.h"

int64_t bai_store_index(const ba_store *s, const char *name, ba_err *e); /* negative code when there is none */
void *bai_store_data(const ba_store *s, int64_t i);                      /* device memory */
int64_t bai_store_version(const ba_store *s);                            /* rises whenever values are written */
void bai_store_touch(ba_store *s);                                       /* a program has written into it */
int bai_store_fill(const ba_store *s, ba_err *e);                        /* gives every tensor that nobody has written what it begins with */
ba_device *bai_store_device(const ba_store *s);

#endif
