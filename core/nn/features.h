/* features: what losses share that compare the inside of two models: the same places of both, which block with which, learned
 * projections and convolutions with PyTorch's default initialisation. Declared to plugins in ba_host. */
#ifndef BAI_FEATURES_H
#define BAI_FEATURES_H

#include "bauta/plugin.h"

int bai_nn_match(ba_build *b, ba_tensor *student, ba_tensor *teacher, int extras, ba_tensor *out[2], ba_err *e);
int64_t bai_nn_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e);
int64_t bai_nn_attention_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e);
ba_tensor *bai_nn_project(ba_build *b, const char *name, ba_tensor *x, int64_t out, ba_err *e);
ba_tensor *bai_nn_conv3x3(ba_build *b, const char *name, ba_tensor *x, int64_t rows, int64_t columns, int64_t out, ba_err *e);

#endif
