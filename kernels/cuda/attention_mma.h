/* attention_mma: attention on tensor cores, bf16 in and out, fp32 between, for heads of 32 or 64 numbers and up to 272 tokens (attention_long.h: more): a thread
 * block has one head of one image in shared memory and its warps take 16 rows each in turn. So a softmax sees its whole row at once, and
 * every gradient is added up by one warp in one order: the same bits in every run, without atomic sums or a scratch of T^2 numbers. */
#ifndef BAI_CUDA_ATTENTION_MMA_H
#define BAI_CUDA_ATTENTION_MMA_H

#include "attention.h"

enum { BA_MMA_WARPS = 4,      /* of a block, forward: two to five such blocks have room on a multiprocessor, by their registers */
       BA_MMA_BACK = 8,       /* backward, at most: where shared memory has room for one */
       BA_MMA_TOKENS = 272, BA_MMA_PAD = 8 };

typedef struct ba_mma_att {
    const bf16 *qkv, *dout;       /* [B,T,3D], [B,T,D] */
    bf16 *out, *dqkv;
    float *lse, *classes, *delta; /* [B,H,T], [B,H,E,T] or NULL; delta [B,H,T]: scratch of attention_long.h alone */
    const float *lse_in, *dclass;
    int T, H, E;
    float scale;
} ba_mma_att;

/* Row r of a matrix in shared memory begins at r * (D + BA_MMA_PAD): rows lie on different banks. */
template <int D> static __device__ __forceinline__ void ba_mma_load(bf16 *to, const bf16 *from, int64_t ld, int rows, int padded)
{
    enum { PER = 8, ACROSS = D / PER };
    for (int i = (int)threadIdx.x; i < padded * ACROSS; i += (int)blockDim.x) {
        int r = i / ACROSS, c = i % ACROSS * PER;
        uint4 v = {};
        if (r < rows)
            v = *(const uint4 *)(from + r * ld + c);
        *(uint4 *)(to + r * (D + BA_MMA_PAD) + c) = v;
    }
}

/* 16 rows of a tensor from `row` on as left factors over all D columns; zeros from row T on. Each is read by one warp only, so they need no shared memory. */
template <int D> static __device__ __forceinline__ void ba_mma_rows_of(uint32_t a[D / 16][4], const bf16 *from, int64_t ld, int row, int T, int lane)
{
    const int at = row + lane / 4, t = lane % 4 * 2;
    const bf16 *low = from + at * ld + t, *high = low + 8 * ld;
BA_UNROLL
    for (int k = 0; k < D / 16; k++) {
        a[k][0] = at < T ? *(const uint32_t *)(low + k * 16) : 0;
        a[k][1] = at + 8 < T ? *(const uint32_t *)(high + k * 16) : 0;
        a[k][2] = at < T ? *(const uint32_t *)(low + k * 16 + 8) : 0;
        a[k][3] = at + 8 < T ? *(const uint32_t *)(high + k * 16 + 8) : 0;
    }
}

/* Where a lane points for the 8 x 8 matrices at (row, col), (row, col + 8) ... of m: `down` of four lie below each other before the next columns are taken. */
template <int D> static __device__ __forceinline__ const bf16 *ba_mma_point(const bf16 *m, int row, int col, int down, int lane)
{
    const int i = lane / 8;
    return m + (row + i % down * 8 + lane % 8) * (D + BA_MMA_PAD) + col + i / down * 8;
}

/* 16 rows of m from `row` on as left factors over all D columns. */
template <int D> static __device__ __forceinline__ void ba_mma_rows(uint32_t a[D / 16][4], const bf16 *m, int row, int lane)
{
BA_UNROLL
    for (int k = 0; k < D / 16; k++)
        ba_matrices(a[k], ba_mma_point<D>(m, row, k * 16, 2, lane), 0);
}

/* d[16,8] = a m[col .. col+7]^T: products of 16 rows with 8 rows of m. */
template <int D> static __device__ __forceinline__ void ba_mma_products(float d[4], const uint32_t a[D / 16][4], const bf16 *m, int col, int lane)
{
    d[0] = d[1] = d[2] = d[3] = 0;
BA_UNROLL
    for (int k = 0; k < D / 16; k += 2) {
        uint32_t b[4];
        ba_matrices(b, ba_mma_point<D>(m, col, k * 16, 1, lane), 0);
        ba_mma(d, a[k], b);
        ba_mma(d, a[k + 1], b + 2);
    }
}

/* d[16,D] += p[16,16] m[row .. row+15]: p as two neighbouring results of ba_mma_products. */
template <int D> static __device__ __forceinline__ void ba_mma_weigh(float d[D / 8][4], const float p[2][4], const bf16 *m, int row, int lane)
{
    uint32_t a[4] = { ba_pair(p[0][0], p[0][1]), ba_pair(p[0][2], p[0][3]), ba_pair(p[1][0], p[1][1]), ba_pair(p[1][2], p[1][3]) };
BA_UNROLL
    for (int n = 0; n < D / 8; n += 2) {
        uint32_t b[4];
        ba_matrices(b, ba_mma_point<D>(m, row, n * 8, 2, lane), 1);
        ba_mma(d[n], a, b);
        ba_mma(d[n + 1], a, b + 2);
    }
}

/* Writes 16 rows, those below T. */
template <int D> static __device__ __forceinline__ void ba_mma_store(bf16 *to, int64_t ld, const float d[D / 8][4], float low, float high, int row, int T, int lane)
{
    int g = lane / 4, t = lane % 4 * 2;
    for (int n = 0; n < D / 8; n++) {
        if (row + g < T)
            *(uint32_t *)(to + (row + g) * ld + n * 8 + t) = ba_pair(d[n][0] * low, d[n][1] * low);
        if (row + g + 8 < T)
            *(uint32_t *)(to + (row + g + 8) * ld + n * 8 + t) = ba_pair(d[n][2] * high, d[n][3] * high);
    }
}

static __device__ __forceinline__ float ba_quad_sum(float x) /* over the 4 lanes that share a row */
{
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
static __device__ __forceinline__ float ba_quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

/* NT: tiles of 8 keys that a row's registers hold, a multiple of 2. */
template <int D, int NT> static __global__ void __launch_bounds__(BA_MMA_WARPS * BA_WARP, NT > 26 ? 2 : NT > 14 ? 3 : NT > 8 ? 4 : 5) ba_mma_forward(ba_mma_att a)
{
    BA_DYNAMIC_SHARED(bf16, room);
    const int T = a.T, padded = (T + 15) / 16 * 16, lane = (int)threadIdx.x % BA_WARP, g = lane / 4, t = lane % 4 * 2;
    const int64_t bh = blockIdx.x, b = bh / a.H, h = bh % a.H, ld = (int64_t)3 * a.H * D;
    const bf16 *qkv = a.qkv + b * T * ld + h * D;
    bf16 *k = room, *v = k + padded * (D + BA_MMA_PAD);
    ba_mma_load<D>(k, qkv + a.H * D, ld, T, padded);
    ba_mma_load<D>(v, qkv + 2 * a.H * D, ld, T, padded);
    __syncthreads();
    for (int row = (int)threadIdx.x / BA_WARP * 16; row < T; row += BA_MMA_WARPS * 16) {
        uint32_t left[D / 16][4];
        float s[NT][4], o[D / 8][4], top[2] = { -INFINITY, -INFINITY }, sum[2] = { 0, 0 };
        ba_mma_rows_of<D>(left, qkv, ld, row, T, lane);
BA_UNROLL
        for (int n = 0; n < NT; n++) {
            if (n * 8 >= padded)
                continue;
            ba_mma_products<D>(s[n], left, k, n * 8, lane);
            for (int i = 0; i < 4; i++) {
                s[n][i] = n * 8 + t + i % 2 < T ? s[n][i] * a.scale : -INFINITY;
                top[i / 2] = fmaxf(top[i / 2], s[n][i]);
            }
        }
        top[0] = ba_quad_max(top[0]);
        top[1] = ba_quad_max(top[1]);
BA_UNROLL
        for (int n = 0; n < NT; n++)
            for (int i = 0; i < 4 && n * 8 < padded; i++)
                sum[i / 2] += s[n][i] = expf(s[n][i] - top[i / 2]);
        sum[0] = ba_quad_sum(sum[0]);
        sum[1] = ba_quad_sum(sum[1]);
        float over[2] = { 1 / sum[0], 1 / sum[1] };
        for (int i = 0; i < 2; i++)
            if (a.lse && !t && row + g + 8 * i < T)
                a.lse[bh * T + row + g + 8 * i] = top[i] + logf(sum[i]);
        if (a.classes && row < a.E)
BA_UNROLL
            for (int n = 0; n < NT; n++)
                for (int i = 0; i < 4 && n * 8 < padded; i++) {
                    int query = row + g + i / 2 * 8, key = n * 8 + t + i % 2;
                    if (query < a.E && key < T)
                        a.classes[(bh * a.E + query) * T + key] = s[n][i] * over[i / 2];
                }
        if (!a.out)
            continue;
        for (int n = 0; n < D / 8; n++)
            o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0;
BA_UNROLL
        for (int n = 0; n < NT; n += 2)
            if (n * 8 < padded)
                ba_mma_weigh<D>(o, s + n, v, n * 8, lane);
        ba_mma_store<D>(a.out + b * T * a.H * D + h * D, (int64_t)a.H * D, o, over[0], over[1], row, T, lane);
    }
}

/* Attention weights p and their gradients dp of 16 queries from `row` on and 16 keys from `key` on. k, v: from key `first` on. */
template <int D> static __device__ __forceinline__ void ba_mma_square(const ba_mma_att &a, int64_t bh, const uint32_t q[D / 16][4], const uint32_t dout[D / 16][4], const bf16 *k,
                                                                      const bf16 *v, int first, int row, int key, const float lse[2], float p[2][4], float dp[2][4], int lane)
{
    for (int n = 0; n < 2; n++) {
        ba_mma_products<D>(p[n], q, k, key - first + n * 8, lane);
        ba_mma_products<D>(dp[n], dout, v, key - first + n * 8, lane);
        for (int i = 0; i < 4; i++) {
            int at = key + n * 8 + lane % 4 * 2 + i % 2, query = row + lane / 4 + i / 2 * 8;
            p[n][i] = at < a.T && query < a.T ? expf(p[n][i] * a.scale - lse[i / 2]) : 0;
            if (a.dclass && query < a.E && at < a.T)
                dp[n][i] += a.dclass[(bh * a.E + query) * a.T + at];
        }
    }
}

/* The same of 16 keys and the 16 queries from `row` on, turned: weights p, and ds, the gradients of the scores. q, o, lse, delta: from query `first` on. */
template <int D> static __device__ __forceinline__ void ba_mma_turned(const ba_mma_att &a, int64_t bh, const uint32_t k[D / 16][4], const uint32_t v[D / 16][4], const bf16 *q,
                                                                      const bf16 *o, int first, int row, int key, const float *lse, const float *delta, float p[2][4], float ds[2][4], int lane)
{
    for (int n = 0; n < 2; n++) {
        ba_mma_products<D>(p[n], k, q, row - first + n * 8, lane);
        ba_mma_products<D>(ds[n], v, o, row - first + n * 8, lane);
        for (int i = 0; i < 4; i++) {
            int query = row + n * 8 + lane % 4 * 2 + i % 2, at = key + lane / 4 + i / 2 * 8;
            p[n][i] = at < a.T && query < a.T ? expf(p[n][i] * a.scale - lse[query - first]) : 0;
            if (a.dclass && query < a.E && at < a.T)
                ds[n][i] += a.dclass[(bh * a.E + query) * a.T + at];
            ds[n][i] = p[n][i] * (ds[n][i] - delta[query - first]);
        }
    }
}

/* First the queries, 16 at a time: delta = sum p dp, then dq; then the keys, 16 at a time: dk and dv, from the transposed products. */
template <int D> static __global__ void __launch_bounds__(BA_MMA_BACK * BA_WARP) ba_mma_backward(ba_mma_att a)
{
    BA_DYNAMIC_SHARED(bf16, room);
    const int T = a.T, padded = (T + 15) / 16 * 16, lane = (int)threadIdx.x % BA_WARP, g = lane / 4, size = padded * (D + BA_MMA_PAD), step = (int)blockDim.x / BA_WARP * 16;
    const int64_t bh = blockIdx.x, b = bh / a.H, h = bh % a.H, ld = (int64_t)3 * a.H * D;
    const bf16 *qkv = a.qkv + b * T * ld + h * D;
    bf16 *q = room, *k = q + size, *v = k + size, *o = v + size, *to = a.dqkv + b * T * ld + h * D;
    float *lse = (float *)(o + size), *delta = lse + padded;
    ba_mma_load<D>(q, qkv, ld, T, padded);
    ba_mma_load<D>(k, qkv + a.H * D, ld, T, padded);
    ba_mma_load<D>(v, qkv + 2 * a.H * D, ld, T, padded);
    ba_mma_load<D>(o, a.dout ? a.dout + b * T * a.H * D + h * D : qkv, (int64_t)a.H * D, a.dout ? T : 0, padded);
    for (int i = (int)threadIdx.x; i < padded; i += (int)blockDim.x) {
        lse[i] = i < T ? a.lse_in[bh * T + i] : 0;
        delta[i] = 0;
    }
    __syncthreads();
    for (int row = (int)threadIdx.x / BA_WARP * 16; row < T; row += step) {
        uint32_t ql[D / 16][4], ol[D / 16][4];
        float p[2][4], dp[2][4], dq[D / 8][4], own[2] = { lse[row + g], lse[row + g + 8] }, d[2] = { 0, 0 };
        ba_mma_rows<D>(ql, q, row, lane);
        ba_mma_rows<D>(ol, o, row, lane);
        for (int key = 0; key < padded; key += 16) {
            ba_mma_square<D>(a, bh, ql, ol, k, v, 0, row, key, own, p, dp, lane);
            for (int i = 0; i < 8; i++)
                d[i % 4 / 2] += p[i / 4][i % 4] * dp[i / 4][i % 4];
        }
        d[0] = ba_quad_sum(d[0]);
        d[1] = ba_quad_sum(d[1]);
        if (lane % 4 == 0) {
            delta[row + g] = d[0];
            delta[row + g + 8] = d[1];
        }
        for (int n = 0; n < D / 8; n++)
            dq[n][0] = dq[n][1] = dq[n][2] = dq[n][3] = 0;
        for (int key = 0; key < padded; key += 16) {
            ba_mma_square<D>(a, bh, ql, ol, k, v, 0, row, key, own, p, dp, lane);
            for (int i = 0; i < 8; i++)
                p[i / 4][i % 4] *= dp[i / 4][i % 4] - d[i % 4 / 2];
            ba_mma_weigh<D>(dq, p, k, key, lane);
        }
        ba_mma_store<D>(to, ld, dq, a.scale, a.scale, row, T, lane);
    }
    __syncthreads(); /* every delta is there */
    for (int key = (int)threadIdx.x / BA_WARP * 16; key < T; key += step) {
        uint32_t kl[D / 16][4], vl[D / 16][4];
        float dk[D / 8][4], dv[D / 8][4];
        ba_mma_rows<D>(kl, k, key, lane);
        ba_mma_rows<D>(vl, v, key, lane);
        for (int n = 0; n < D / 8; n++)
            for (int i = 0; i < 4; i++)
                dk[n][i] = dv[n][i] = 0;
        for (int row = 0; row < padded; row += 16) {
            float p[2][4], ds[2][4];
            ba_mma_turned<D>(a, bh, kl, vl, q, o, 0, row, key, lse, delta, p, ds, lane);
            ba_mma_weigh<D>(dv, p, o, row, lane);
            ba_mma_weigh<D>(dk, ds, q, row, lane);
        }
        ba_mma_store<D>(to + a.H * D, ld, dk, a.scale, a.scale, key, T, lane);
        ba_mma_store<D>(to + 2 * a.H * D, ld, dv, 1, 1, key, T, lane);
    }
}

/* Shared memory: `parts` matrices of T rows (2 forward, 4 backward) and, backward, two numbers a row. */
static inline size_t ba_mma_room(int64_t T, int64_t d, int parts)
{
    int64_t padded = (T + 15) / 16 * 16;
    return (size_t)(padded * parts * (d + BA_MMA_PAD) * 2 + (parts > 2 ? padded * 8 : 0));
}

/* Whether tensor cores take it (addresses and strides are multiples of 16 bytes by the shapes), and whether a head of it has room in shared memory. */
static inline int ba_mma_takes(const ba_type *qkv, int64_t heads)
{
    int64_t d = qkv->dim[2] / 3 / heads;
    return qkv->dtype == BA_BF16 && (d == 32 || d == 64);
}
static inline int ba_mma_holds(const bai_cuda_call *c, const ba_type *qkv, int64_t heads, int parts)
{
    return qkv->dim[1] <= BA_MMA_TOKENS && ba_mma_room(qkv->dim[1], qkv->dim[2] / 3 / heads, parts) <= rt_shared(bai_cuda_rt(c->cuda));
}

static inline ba_mma_att ba_mma_of(const bai_cuda_call *c, int64_t heads)
{
    const ba_type *x = &c->in[0].type;
    ba_mma_att a = {};
    a.qkv = (const bf16 *)c->in[0].data;
    a.T = (int)x->dim[1], a.H = (int)heads;
    a.scale = (float)(1 / sqrt((double)(x->dim[2] / 3 / heads)));
    return a;
}

template <int D> static void ba_mma_run_forward(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    auto f = a.T <= 64 ? ba_mma_forward<D, 8> : a.T <= 112 ? ba_mma_forward<D, 14> : a.T <= 208 ? ba_mma_forward<D, 26> : ba_mma_forward<D, 34>;
    BA_LAUNCH(f, (unsigned)(B * a.H), BA_MMA_WARPS * BA_WARP, ba_mma_room(a.T, D, 2), c, a);
}

template <int D> static void ba_mma_run_backward(const bai_cuda_call *c, const ba_mma_att &a, int64_t B)
{
    auto f = ba_mma_backward<D>;
    const size_t room = ba_mma_room(a.T, D, 4);
    const int several = a.T <= 16 * BA_MMA_WARPS || (D == 64 && 2 * room <= rt_shared(bai_cuda_rt(c->cuda))); /* small blocks: registers allow one large one of this width */
    BA_LAUNCH(f, (unsigned)(B * a.H), (several ? BA_MMA_WARPS : BA_MMA_BACK) * BA_WARP, room, c, a);
}

#endif
