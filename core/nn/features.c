/* features: learned projections and 3x3 convolutions of losses, with PyTorch's default initialisation: uniform in +-1/sqrt(fan in), the
 * bias too. Products are made in the graph's precision, what comes out is f32. A convolution is one matrix product with the nine
 * neighbours of each token laid side by side. */
#include "features.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bauta/op.h"
#include "blocks.h"
#include "short.h"

/* NAME.weight and NAME.bias, the weight in the graph's precision. */
static int learned(ba_build *b, const char *name, int rank, const int64_t *dim, ba_tensor *out[2], ba_err *e)
{
    char full[160];
    double fan = 1;
    for (int i = 1; i < rank; i++)
        fan *= (double)dim[i];
    snprintf(full, sizeof full, "%.100s.weight", name);
    out[0] = bai_nn_cast(b, bai_nn_weight(b, full, rank, dim, BA_INIT_UNIFORM, 1 / sqrt(fan), 0, e), ba_graph_dtype(b->g), e);
    snprintf(full, sizeof full, "%.100s.bias", name);
    out[1] = out[0] ? bai_nn_weight(b, full, 1, dim, BA_INIT_UNIFORM, 1 / sqrt(fan), 0, e) : NULL;
    return out[1] ? BA_OK : BA_EARG;
}

/* The input, judged: [..,D] of `rank` axes (0: any). */
static ba_tensor *input(ba_build *b, const char *name, ba_tensor *x, int rank, ba_type *t, ba_err *e)
{
    if (bai_build_check(b, e) || ba_tensor_type(x = bai_sum_joined(b, x), t, e))
        return NULL;
    if (!name || !*name || strlen(name) > 100 || t->rank < 1 || (rank && t->rank != rank)) {
        ba_fail(e, BA_EARG, "%.100s: a name of 1 to 100 bytes and an input of %d axes expected, got one of %d", name ? name : "", rank ? rank : 2, t->rank);
        return NULL;
    }
    return bai_nn_cast(b, x, ba_graph_dtype(b->g), e);
}

ba_tensor *bai_nn_project(ba_build *b, const char *name, ba_tensor *x, int64_t out, ba_err *e)
{
    ba_type t;
    ba_tensor *w[2];
    if (!(x = input(b, name, x, 0, &t, e)))
        return NULL;
    const int64_t dim[] = { out, ba_type_last(&t) };
    if (learned(b, name, 2, dim, w, e))
        return NULL;
    return bai_nn_cast(b, ba_op_apply(b->g, "linear", 3, (ba_tensor *[]){ x, w[0], w[1] }, 0, NULL, e), BA_F32, e);
}

ba_tensor *bai_nn_conv3x3(ba_build *b, const char *name, ba_tensor *x, int64_t rows, int64_t columns, int64_t out, ba_err *e)
{
    ba_type t;
    ba_tensor *w[2];
    if (!(x = input(b, name, x, 3, &t, e)))
        return NULL;
    if (rows < 1 || columns < 1 || rows * columns != t.dim[1]) {
        ba_fail(e, BA_EARG, "%s: %lld tokens are no grid of %lldx%lld", name, (long long)t.dim[1], (long long)rows, (long long)columns);
        return NULL;
    }
    const int64_t kernel[] = { out, t.dim[2], 3, 3 }; /* as PyTorch keeps it */
    x = bai_nn_op1(b, "neighbours", x, BA_ATTRS(BA_I("rows", rows), BA_I("columns", columns)), e);
    if (!x || learned(b, name, 4, kernel, w, e))
        return NULL;
    w[0] = bai_nn_reshape(b, bai_nn_permute(b, w[0], "0,2,3,1", e), 2, (const int64_t[]){ out, 9 * t.dim[2] }, e);
    return w[0] ? bai_nn_cast(b, ba_op_apply(b->g, "linear", 3, (ba_tensor *[]){ x, w[0], w[1] }, 0, NULL, e), BA_F32, e) : NULL;
}
