/* dataset: an opened split, and the pictures of it that are kept in memory. */
#ifndef BAI_DATA_DATASET_H
#define BAI_DATA_DATASET_H

#include "decode.h"

/* Memory that is used again from sample to sample; one per thread, bai_scratch_begin first. */
typedef struct bai_scratch { ba_picture picture; ba_encoded encoded; } bai_scratch;
void bai_scratch_begin(bai_scratch *s);
void bai_scratch_end(bai_scratch *s);

/* Sample i, kept or read into scratch; *out points to one of them. Where the set is not kept in memory and its plugin gives the sample encoded,
 * only the part that `wish` chooses may be decoded; NULL: all of it. Any thread, each with its own scratch. */
int bai_dataset_picture(ba_dataset *d, int64_t i, bai_scratch *scratch, const bai_wish *wish, const ba_picture **out, ba_err *e);
/* Bytes of one sample of so many rows and columns: a pixel is three, a number of a spectrogram four. */
int64_t bai_dataset_bytes(const ba_dataset *d, int64_t rows, int64_t columns);
/* Sample i as it is stored: 1, or 0 when its plugin does not tell. */
int bai_dataset_encoded(ba_dataset *d, int64_t i, ba_encoded *out, ba_err *e);
extern const ba_data_host bai_data_host;
/* Threads that read where nobody says how many: one per processor, at most 16. */
int bai_loader_threads(void);

#endif
