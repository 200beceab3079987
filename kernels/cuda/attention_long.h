/* attention_long: attention_mma.h for more tokens than shared memory holds: a block takes 64 rows, 16 a warp, and what they meet passes by 64 rows at a time. A softmax
 * is made on the way (its sum and what is weighed by it are scaled anew where a larger score comes: Milakov and Gimelshein 2018, FlashAttention), always in the
 * same order. Backward, delta and dq come first, then dk and dv. */
#ifndef BAI_CUDA_ATTENTION_LONG_H
#define BAI_CUDA_ATTENTION_LONG_H

#include "attention_mma.h"

enum { BA_LONG_ROWS = 16 * BA_MMA_WARPS }; /* of a block, and at a time in shared memory */

/* Whose head a block has, and which 16 rows are the warp's. Rows from T on do nothing but carry. */
typedef struct ba_long_place { int64_t bh, ld; const bf16 *qkv, *dout; int row, lane; } ba_long_place;
template <int D> static __device__ __forceinline__ ba_long_place ba_long_at(const ba_mma_att &a)
{
    ba_long_place p;
    p.bh = blockIdx.x;
    p.ld = (int64_t)3 * a.H * D;
    p.qkv = a.qkv + p.bh / a.H * a.T * p.ld + p.bh % a.H * D;
    p.dout = a.dout ? a.dout + (p.bh / a.H * a.T * a.H + p.bh % a.H) * D : NULL;
    p.row = (int)blockIdx.y * BA_LONG_ROWS + (int)threadIdx.x / BA_WARP * 16;
    p.lane = (int)threadIdx.x % BA_WARP;
    return p;
}

/* Rows from `first` on of two tensors, for all warps. x or y NULL: zeros. */
template <int D> static __device__ __forceinline__ void ba_long_load(bf16 *to, const bf16 *x, int64_t ldx, bf16 *also, const bf16 *y, int64_t ldy, int first, int T)
{
    const int rows = T - first < BA_LONG_ROWS ? T - first : BA_LONG_ROWS;
    __syncthreads(); /* an earlier reading is over */
    ba_mma_load<D>(to, x + first * ldx, ldx, rows, BA_LONG_ROWS);
    ba_mma_load<D>(also, y ? y + first * ldy : x, ldy, y ? rows : 0, BA_LONG_ROWS);
    __syncthreads();
}

template <int D> static __global__ void __launch_bounds__(BA_MMA_WARPS * BA_WARP) ba_long_forward(ba_mma_att a)
{
    enum { NT = BA_LONG_ROWS / 8 };
    __shared__ __align__(16) bf16 k[BA_LONG_ROWS * (D + BA_MMA_PAD)], v[BA_LONG_ROWS * (D + BA_MMA_PAD)];
    const ba_long_place at = ba_long_at<D>(a);
    const int g = at.row + at.lane / 4, t = at.lane % 4 * 2;
    uint32_t left[D / 16][4];
    float o[D / 8][4], top[2] = { -INFINITY, -INFINITY }, sum[2] = { 0, 0 };
    ba_mma_rows_of<D>(left, at.qkv, at.ld, at.row, a.T, at.lane);
    for (int n = 0; n < D / 8; n++)
        o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0;
    for (int first = 0; first < a.T; first += BA_LONG_ROWS) {
        float s[NT][4], higher[2] = { top[0], top[1] }, less[2];
        ba_long_load<D>(k, at.qkv + a.H * D, at.ld, v, at.qkv + 2 * a.H * D, at.ld, first, a.T);
BA_UNROLL
        for (int n = 0; n < NT; n++) {
            ba_mma_products<D>(s[n], left, k, n * 8, at.lane);
            for (int i = 0; i < 4; i++) {
                const int query = g + i / 2 * 8, key = first + n * 8 + t + i % 2;
                s[n][i] = key < a.T ? s[n][i] * a.scale : -INFINITY;
                higher[i / 2] = fmaxf(higher[i / 2], s[n][i]);
                if (a.classes && query < a.E && key < a.T) /* the score, until all are there */
                    a.classes[(at.bh * a.E + query) * a.T + key] = s[n][i];
            }
        }
        for (int i = 0; i < 2; i++) {
            higher[i] = ba_quad_max(higher[i]);
            less[i] = expf(top[i] - higher[i]);
            top[i] = higher[i];
            sum[i] *= less[i];
        }
        for (int n = 0; n < D / 8; n++)
            for (int i = 0; i < 4; i++)
                o[n][i] *= less[i / 2];
BA_UNROLL
        for (int n = 0; n < NT; n++)
            for (int i = 0; i < 4; i++)
                sum[i / 2] += s[n][i] = expf(s[n][i] - top[i / 2]);
BA_UNROLL
        for (int n = 0; n < NT; n += 2)
            ba_mma_weigh<D>(o, s + n, v, n * 8, at.lane);
    }
    float over[2], lse[2];
    for (int i = 0; i < 2; i++) {
        sum[i] = ba_quad_sum(sum[i]);
        over[i] = 1 / sum[i];
        lse[i] = top[i] + logf(sum[i]);
        if (a.lse && !t && g + 8 * i < a.T)
            a.lse[at.bh * a.T + g + 8 * i] = lse[i];
        for (int key = t; a.classes && g + 8 * i < a.E && key < a.T; key += key % 2 ? 7 : 1) { /* the lane's own scores */
            float *p = a.classes + (at.bh * a.E + g + 8 * i) * a.T + key;
            *p = expf(*p - lse[i]);
        }
    }
    if (a.out)
        ba_mma_store<D>(a.out + (at.bh / a.H * a.T * a.H + at.bh % a.H) * D, (int64_t)a.H * D, o, over[0], over[1], at.row, a.T, at.lane);
}

template <int D> static __global__ void __launch_bounds__(BA_MMA_WARPS * BA_WARP) ba_long_queries(ba_mma_att a) /* delta and dq */
{
    __shared__ __align__(16) bf16 k[BA_LONG_ROWS * (D + BA_MMA_PAD)], v[BA_LONG_ROWS * (D + BA_MMA_PAD)];
    const ba_long_place at = ba_long_at<D>(a);
    const int g = at.row + at.lane / 4;
    uint32_t ql[D / 16][4], ol[D / 16][4];
    float p[2][4], dp[2][4], dq[D / 8][4], d[2] = { 0, 0 };
    const float own[2] = { g < a.T ? a.lse_in[at.bh * a.T + g] : 0, g + 8 < a.T ? a.lse_in[at.bh * a.T + g + 8] : 0 };
    ba_mma_rows_of<D>(ql, at.qkv, at.ld, at.row, a.T, at.lane);
    ba_mma_rows_of<D>(ol, at.dout ? at.dout : at.qkv, (int64_t)a.H * D, at.row, at.dout ? a.T : 0, at.lane);
    for (int n = 0; n < D / 8; n++)
        dq[n][0] = dq[n][1] = dq[n][2] = dq[n][3] = 0;
    for (int turn = 0; turn < 2; turn++) { /* once for delta, which dq needs */
        for (int first = 0; first < a.T; first += BA_LONG_ROWS) {
            ba_long_load<D>(k, at.qkv + a.H * D, at.ld, v, at.qkv + 2 * a.H * D, at.ld, first, a.T);
            for (int key = first; key < first + BA_LONG_ROWS && key < a.T; key += 16) {
                ba_mma_square<D>(a, at.bh, ql, ol, k, v, first, at.row, key, own, p, dp, at.lane);
                for (int i = 0; i < 8; i++) {
                    if (turn)
                        p[i / 4][i % 4] *= dp[i / 4][i % 4] - d[i % 4 / 2];
                    else
                        d[i % 4 / 2] += p[i / 4][i % 4] * dp[i / 4][i % 4];
                }
                if (turn)
                    ba_mma_weigh<D>(dq, p, k, key - first, at.lane);
            }
        }
        for (int i = 0; i < 2 && !turn; i++) {
            d[i] = ba_quad_sum(d[i]);
            if (at.lane % 4 == 0 && g + 8 * i < a.T)
                a.delta[at.bh * a.T + g + 8 * i] = d[i];
        }
    }
    ba_mma_store<D>(a.dqkv + (at.qkv - a.qkv), at.ld, dq, a.scale, a.scale, at.row, a.T, at.lane);
}

template <int D> static __global__ void __launch_bounds__(BA_MMA_WARPS * BA_WARP) ba_long_keys(ba_mma_att a) /* dk and dv, after ba_long_queries */
{
    __shared__ __align__(16) bf16 q[BA_LONG_ROWS * (D + BA_MMA_PAD)], o[BA_LONG_ROWS * (D + BA_MMA_PAD)];
    __shared__ float lse[BA_LONG_ROWS], delta[BA_LONG_ROWS];
    const ba_long_place at = ba_long_at<D>(a);
    uint32_t kl[D / 16][4], vl[D / 16][4];
    float p[2][4], ds[2][4], dk[D / 8][4], dv[D / 8][4];
    ba_mma_rows_of<D>(kl, at.qkv + a.H * D, at.ld, at.row, a.T, at.lane);
    ba_mma_rows_of<D>(vl, at.qkv + 2 * a.H * D, at.ld, at.row, a.T, at.lane);
    for (int n = 0; n < D / 8; n++)
        for (int i = 0; i < 4; i++)
            dk[n][i] = dv[n][i] = 0;
    for (int first = 0; first < a.T; first += BA_LONG_ROWS) {
        __syncthreads(); /* an earlier reading of these is over */
        for (int i = (int)threadIdx.x; i < BA_LONG_ROWS; i += (int)blockDim.x) {
            lse[i] = first + i < a.T ? a.lse_in[at.bh * a.T + first + i] : 0;
            delta[i] = first + i < a.T ? a.delta[at.bh * a.T + first + i] : 0;
        }
        ba_long_load<D>(q, at.qkv, at.ld, o, at.dout, (int64_t)a.H * D, first, a.T);
        for (int row = first; row < first + BA_LONG_ROWS && row < a.T; row += 16) {
            ba_mma_turned<D>(a, at.bh, kl, vl, q, o, first, row, at.row, lse, delta, p, ds, at.lane);
            ba_mma_weigh<D>(dv, p, o, row - first, at.lane);
            ba_mma_weigh<D>(dk, ds, q, row - first, at.lane);
        }
    }
    ba_mma_store<D>(a.dqkv + (at.qkv - a.qkv) + a.H * D, at.ld, dk, a.scale, a.scale, at.row, a.T, at.lane);
    ba_mma_store<D>(a.dqkv + (at.qkv - a.qkv) + 2 * a.H * D, at.ld, dv, 1, 1, at.row, a.T, at.lane);
}

static inline dim3 ba_long_grid(const ba_mma_att &a, int64_t B) { return dim3((unsigned)(B * a.H), (unsigned)ba_ceil(a.T, BA_LONG_ROWS)); }

template <int D> static void ba_long_run_forward(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    auto f = ba_long_forward<D>;
    BA_LAUNCH(f, ba_long_grid(a, B), BA_MMA_WARPS * BA_WARP, 0, c, a);
}

template <int D> static void ba_long_run_backward(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    auto queries = ba_long_queries<D>;
    auto keys = ba_long_keys<D>;
    BA_LAUNCH(queries, ba_long_grid(a, B), BA_MMA_WARPS * BA_WARP, 0, c, a);
    BA_LAUNCH(keys, ba_long_grid(a, B), BA_MMA_WARPS * BA_WARP, 0, c, a);
}

#endif
