/* heads: the moves around attention and convolutions that architectures compose from: tokens by heads and back, and maps of tokens whose
 * neighbours are put side by side. */
#include <stdlib.h>

#include "bauta/op.h"
#include "blocks.h"
#include "short.h"

int bai_nn_split_heads(ba_build *b, ba_tensor *x, int64_t parts, int64_t heads, ba_tensor **out, ba_err *e)
{
    ba_type t;
    if (bai_build_check(b, e) || ba_tensor_type(x = bai_sum_joined(b, x), &t, e))
        return BA_EARG;
    if (t.rank != 3 || parts < 1 || heads < 1 || t.dim[2] % (parts * heads))
        return ba_fail(e, BA_EARG, "split_heads: [B,T,%lld x %lld x d] expected, got %lld columns", (long long)parts, (long long)heads, (long long)ba_type_last(&t));
    const int64_t apart[] = { t.dim[0], t.dim[1], parts * heads, t.dim[2] / (parts * heads) };
    x = bai_nn_permute(b, bai_nn_reshape(b, x, 4, apart, e), "0,2,1,3", e);
    for (int64_t i = 0; i < parts; i++) {
        out[i] = parts == 1 ? x : bai_nn_slice(b, x, 1, i * heads, (i + 1) * heads, e);
        if (!out[i])
            return BA_EARG;
    }
    return BA_OK;
}

ba_tensor *bai_nn_join_heads(ba_build *b, ba_tensor *x, ba_err *e)
{
    ba_type t;
    if (bai_build_check(b, e) || ba_tensor_type(x, &t, e))
        return NULL;
    if (t.rank != 4) {
        ba_fail(e, BA_EARG, "join_heads: [B,heads,T,d] expected, got %d axes", t.rank);
        return NULL;
    }
    const int64_t together[] = { t.dim[0], t.dim[2], t.dim[1] * t.dim[3] };
    return bai_nn_reshape(b, bai_nn_permute(b, x, "0,2,1,3", e), 3, together, e);
}

/* Whose turn each token of a map is when squares of side x side are gone through in raster order: i32 [B,rows*columns]. */
static ba_tensor *squares(ba_build *b, int64_t batch, int64_t rows, int64_t columns, int64_t side, ba_err *e)
{
    const int64_t dim[] = { batch, rows * columns };
    int64_t across = columns / side, square = side * side;
    int32_t *turn = malloc((size_t)(batch * rows * columns) * sizeof *turn);
    if (!turn) {
        ba_fail(e, BA_EMACHINE, "merge: no memory");
        return NULL;
    }
    for (int64_t i = 0; i < batch * rows * columns; i++) {
        int64_t n = i % (rows * columns), s = n / square, k = n % square;
        turn[i] = (int32_t)((s / across * side + k / side) * columns + s % across * side + k % side);
    }
    ba_tensor *t = ba_constant(b->g, BA_I32, 2, dim, turn, e);
    free(turn);
    return t;
}

/* Squares are gathered, their channels brought in front as the kernel has them (channel, row, column), and a linear layer does the rest. */
ba_tensor *bai_nn_merge(ba_build *b, const char *prefix, ba_tensor *x, int64_t rows, int64_t columns, int64_t side, int64_t dim, ba_err *e)
{
    ba_type t;
    if (bai_build_check(b, e) || ba_tensor_type(x = bai_sum_joined(b, x), &t, e))
        return NULL;
    if (t.rank != 3 || side < 1 || rows < side || columns < side || t.dim[1] != rows * columns || rows % side || columns % side || dim < 1) {
        ba_fail(e, BA_EARG, "%s: squares of %lld on a map of %lldx%lld, %lld tokens given", prefix ? prefix : "merge", (long long)side, (long long)rows,
                (long long)columns, (long long)t.dim[1]);
        return NULL;
    }
    const int64_t n = rows * columns / (side * side), kernel[] = { dim, t.dim[2], side, side }, apart[] = { t.dim[0] * n, side * side, t.dim[2] },
                  flat[] = { t.dim[0], n, side * side * t.dim[2] };
    if (side == 1)
        return bai_nn_kernel(b, prefix, x, 4, kernel, 1, 0, 0, e);
    ba_tensor *in[] = { x, squares(b, t.dim[0], rows, columns, side, e) };
    x = in[1] ? ba_op_apply(b->g, "gather_rows", 2, in, 0, NULL, e) : NULL;
    x = bai_nn_reshape(b, bai_nn_permute(b, bai_nn_reshape(b, x, 3, apart, e), "0,2,1", e), 3, flat, e);
    return x ? bai_nn_kernel(b, prefix, x, 4, kernel, 1, 0, 0, e) : NULL;
}
