/* length: the Euclidean length of rows, shared by normalise and its gradient. */
#ifndef BAI_LENGTH_H
#define BAI_LENGTH_H

#include "rows.h"

typedef struct length_params { double eps; } length_params;

#define BAI_LENGTH_PARAMS BA_PARAMS(length_params, \
    BA_FLOAT(length_params, eps, 1e-12, 1e-30, 1e30, NULL, "least length that is divided by"))

static inline double bai_dot(const float *a, const float *b, int64_t n)
{
    vf s[2] = { { 0 } };
    for (int64_t i = 0, r = 0; i < n; i += VL, r++) {
        int64_t m = bai_min(VL, n - i);
        s[r & 1] += v_load_part(a + i, m) * v_load_part(b + i, m);
    }
    return v_sum(s[0] + s[1]);
}

#endif
