/* dataset: an opened split, and the pictures of it that are kept in memory. */
#ifndef BAI_DATA_DATASET_H
#define BAI_DATA_DATASET_H

#include "bauta/data.h"

/* Sample i, kept or read into scratch; *out points to one of them. Any thread, each with its own scratch. */
int bai_dataset_picture(ba_dataset *d, int64_t i, ba_picture *scratch, const ba_picture **out, ba_err *e);
extern const ba_data_host bai_data_host;

#endif
