/* state: what ba_host.state and ba_host.after do. */
#ifndef BAI_STATE_H
#define BAI_STATE_H

#include "build.h"

ba_tensor *bai_state(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, ba_err *e);
int bai_after(ba_build *b, const char *op, int n_in, ba_tensor *const *in, int n_attr, const ba_attr *attr, ba_err *e);

#endif
