/* bauta/fp8.h: models that do not learn, with the linear layers of their blocks in FP8 (E4M3).
 *
 * Such a layer divides its input by a scale that was found once (a tensor of a store, f32[]), rounds it to E4M3, and multiplies it by the codes of its
 * weights, which are made once. Scales are powers of two; they begin as 1 and are written after the ranges of the inputs were measured. */
#ifndef BAUTA_FP8_H
#define BAUTA_FP8_H

#include "graph.h"
#include "model.h"

#pragma GCC visibility push(default)
/* cdef begin */
enum { BA_FP8_OFF = 0, BA_FP8_MEASURE = 1, BA_FP8_ON = 2 };
enum { BA_FP8_STEP = 16 };    /* tensor cores take rows of codes by so many: other widths are refused on every device, so that what runs on one runs on all */
/* How the linear layers inside the blocks (ba_host.block) of the models built from now on are computed; embeddings, heads and what is stored as a
 * convolution stay as they are. BA_FP8_ON: in FP8. BA_FP8_MEASURE: as usual, and the largest absolute value of each input is fetched as "fp8/SCALE".
 * Each layer's SCALE, f32[], is the tensor NAME.LAYER of `scales`, added where it is missing; both NULL with BA_FP8_OFF.
 * Building a model that trains, or one that has no such layer, is then an error. */
int ba_build_fp8(ba_build *b, int32_t mode, ba_store *scales, const char *name, ba_err *e);
/* A stored matrix as codes of FP8 (u8); output 1 is their scale. Made once for a graph. */
ba_tensor *ba_weight_fp8(ba_graph *g, ba_store *s, const char *name, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
