/* attention: forward and backward for any length and width, in fp32: a warp a query (or a key). For precision fp32 and unusual
 * shapes; the tensor-core kernels take the others. No atomic sums: the gradient of a key is added up by one warp, in order. */
#ifndef BAI_CUDA_ATTENTION_H
#define BAI_CUDA_ATTENTION_H

#include "each.h"

enum { BA_ATT_WARPS = 4, BA_ATT_LD = BA_WARP + 1, BA_ATT_TILE = (BA_WARP + 1) * BA_ATT_LD }; /* a tile: 32 rows, and the vector they are multiplied with */

/* Element (b, head, row, c) of a packed tensor: at[b * batch + row * ld + head * d + c]. */
typedef struct ba_heads { void *at; int64_t offset, batch, ld; } ba_heads;
typedef struct ba_att {           /* all tensors of one type, but for those of numbers about a row */
    ba_heads q, k, v, out, dout, dq, dk, dv;
    int64_t H, Q, T, d, E;        /* E: rows of classes */
    float scale;
    float *lse, *classes, *delta; /* [B,H,Q], [B,H,E,T]; each may be NULL in the forward pass */
    const float *lse_in, *dclass;
} ba_att;

template <typename T> static __device__ __forceinline__ T *ba_head_row(const ba_heads &t, int64_t d, int64_t row)
{
    return (T *)t.at + t.offset + blockIdx.z * t.batch + row * t.ld + blockIdx.y * d;
}

/* The products of vector x with rows y, y + ld, ...: the lane's is with row `lane` of them. All lanes of the warp call it; rows are read along, 32 numbers of each
 * at a time, and turned in the warp's tile. */
template <typename T> static __device__ __forceinline__ float ba_head_dots(const T *x, const T *y, int64_t ld, int64_t rows, int64_t d, float *tile, int lane)
{
    float *vector = tile + BA_WARP * BA_ATT_LD, s = 0;
    const int last = rows < BA_WARP ? (int)rows - 1 : BA_WARP - 1, mine = lane < last ? lane : last;
    for (int64_t c = 0; c < d; c += BA_WARP) {
        const int n = d - c < BA_WARP ? (int)(d - c) : BA_WARP;
        __syncwarp(); /* an earlier reading is over */
        if (lane < n) {
            vector[lane] = ba_wide(x[c + lane]);
BA_UNROLL_8
            for (int r = 0; r <= last; r++)
                tile[r * BA_ATT_LD + lane] = ba_wide(y[r * ld + c + lane]);
        }
        __syncwarp();
BA_UNROLL_8
        for (int i = 0; i < n; i++)
            s += vector[i] * tile[mine * BA_ATT_LD + i];
    }
    return s;
}

/* Shared, for each warp: a tile, and a row of T numbers. */
template <typename T> static __global__ void ba_att_forward(ba_att a)
{
    BA_DYNAMIC_SHARED(float, room);
    const int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    const int64_t i = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, bh = blockIdx.z * a.H + blockIdx.y;
    float *tile = room + warp * (BA_ATT_TILE + a.T), *p = tile + BA_ATT_TILE, top = -INFINITY, sum = 0;
    if (i >= a.Q)
        return; /* the whole warp */
    for (int64_t j = lane; j - lane < a.T; j += BA_WARP) {
        float s = ba_head_dots<T>(ba_head_row<T>(a.q, a.d, i), ba_head_row<T>(a.k, a.d, j - lane), a.k.ld, a.T - (j - lane), a.d, tile, lane) * a.scale;
        if (j < a.T) {
            p[j] = s;
            top = fmaxf(top, s);
        }
    }
    top = ba_warp_max(top);
    for (int64_t j = lane; j < a.T; j += BA_WARP)
        sum += p[j] = expf(p[j] - top);
    sum = ba_warp_sum(sum);
    if (!lane && a.lse)
        a.lse[bh * a.Q + i] = top + logf(sum);
    for (int64_t j = lane; j < a.T; j += BA_WARP) {
        p[j] /= sum;
        if (a.classes && i < a.E)
            a.classes[(bh * a.E + i) * a.T + j] = p[j];
    }
    __syncwarp();
    for (int64_t c = lane; a.out.at && c < a.d; c += BA_WARP) {
        const T *v = ba_head_row<T>(a.v, a.d, 0) + c;
        float s = 0;
BA_UNROLL_8
        for (int64_t j = 0; j < a.T; j++)
            s += p[j] * ba_wide(v[j * a.v.ld]);
        ba_narrow(s, ba_head_row<T>(a.out, a.d, i) + c);
    }
}

/* What the gradient of the class tokens' attention adds to that of the weight of query i and key j. */
static __device__ __forceinline__ float ba_att_dclass(const ba_att &a, int64_t bh, int64_t i, int64_t j)
{
    return a.dclass && i < a.E ? a.dclass[(bh * a.E + i) * a.T + j] : 0.f;
}

/* delta and dq. Shared, for each warp: a tile, and two rows of T numbers. */
template <typename T> static __global__ void ba_att_queries(ba_att a)
{
    BA_DYNAMIC_SHARED(float, room);
    const int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    const int64_t i = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, bh = blockIdx.z * a.H + blockIdx.y;
    float *tile = room + warp * (BA_ATT_TILE + 2 * a.T), *ds = tile + BA_ATT_TILE, *p = ds + a.T, delta = 0;
    if (i >= a.Q)
        return; /* the whole warp */
    const float lse = a.lse_in[bh * a.Q + i];
    for (int64_t j = lane; j - lane < a.T; j += BA_WARP) {
        const int64_t first = j - lane, rows = a.T - first;
        float s = ba_head_dots<T>(ba_head_row<T>(a.q, a.d, i), ba_head_row<T>(a.k, a.d, first), a.k.ld, rows, a.d, tile, lane);
        float dp = a.dout.at ? ba_head_dots<T>(ba_head_row<T>(a.dout, a.d, i), ba_head_row<T>(a.v, a.d, first), a.v.ld, rows, a.d, tile, lane) : 0;
        if (j < a.T) {
            p[j] = expf(s * a.scale - lse);
            ds[j] = dp + ba_att_dclass(a, bh, i, j);
            delta += p[j] * ds[j];
        }
    }
    delta = ba_warp_sum(delta);
    if (!lane)
        a.delta[bh * a.Q + i] = delta;
    for (int64_t j = lane; j < a.T; j += BA_WARP)
        ds[j] = p[j] * (ds[j] - delta);
    __syncwarp();
    for (int64_t c = lane; a.dq.at && c < a.d; c += BA_WARP) {
        const T *k = ba_head_row<T>(a.k, a.d, 0) + c;
        float s = 0;
BA_UNROLL_8
        for (int64_t j = 0; j < a.T; j++)
            s += ds[j] * ba_wide(k[j * a.k.ld]);
        ba_narrow(s * a.scale, ba_head_row<T>(a.dq, a.d, i) + c);
    }
}

/* dk and dv, after ba_att_queries. Shared, for each warp: a tile, and two rows of Q numbers. */
template <typename T> static __global__ void ba_att_keys(ba_att a)
{
    BA_DYNAMIC_SHARED(float, room);
    const int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    const int64_t j = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, bh = blockIdx.z * a.H + blockIdx.y;
    float *tile = room + warp * (BA_ATT_TILE + 2 * a.Q), *ds = tile + BA_ATT_TILE, *p = ds + a.Q;
    if (j >= a.T)
        return; /* the whole warp */
    for (int64_t i = lane; i - lane < a.Q; i += BA_WARP) {
        const int64_t first = i - lane, rows = a.Q - first;
        float s = ba_head_dots<T>(ba_head_row<T>(a.k, a.d, j), ba_head_row<T>(a.q, a.d, first), a.q.ld, rows, a.d, tile, lane);
        float dp = a.dout.at ? ba_head_dots<T>(ba_head_row<T>(a.v, a.d, j), ba_head_row<T>(a.dout, a.d, first), a.dout.ld, rows, a.d, tile, lane) : 0;
        if (i < a.Q) {
            p[i] = expf(s * a.scale - a.lse_in[bh * a.Q + i]);
            ds[i] = p[i] * (dp + ba_att_dclass(a, bh, i, j) - a.delta[bh * a.Q + i]);
        }
    }
    __syncwarp();
    for (int64_t c = lane; c < a.d; c += BA_WARP) {
        const T *q = ba_head_row<T>(a.q, a.d, 0) + c, *dout = a.dout.at ? ba_head_row<T>(a.dout, a.d, 0) + c : NULL;
        float dk = 0, dv = 0;
BA_UNROLL_8
        for (int64_t i = 0; i < a.Q; i++) {
            dk += ds[i] * ba_wide(q[i * a.q.ld]);
            dv += dout ? p[i] * ba_wide(dout[i * a.dout.ld]) : 0.f;
        }
        ba_narrow(dk * a.scale, ba_head_row<T>(a.dk, a.d, j) + c);
        ba_narrow(dv, ba_head_row<T>(a.dv, a.d, j) + c);
    }
}

/* Bytes of shared memory of a block: for each warp a tile, and so many numbers. */
static inline int64_t ba_att_bytes(int64_t numbers) { return BA_ATT_WARPS * (BA_ATT_TILE + numbers) * 4; }

static inline int ba_att_room(const bai_cuda_call *c, int64_t bytes, ba_err *e)
{
    int64_t most = (int64_t)rt_shared(bai_cuda_rt(c->cuda));
    return bytes <= most ? BA_OK : ba_fail(e, BA_EARG, "attention over so many tokens needs %lld KiB of shared memory; this device has %lld", (long long)(bytes / 1024), (long long)(most / 1024));
}

static inline dim3 ba_att_grid(const ba_att *a, int64_t rows, int64_t B) { return dim3((unsigned)ba_ceil(rows, BA_ATT_WARPS), (unsigned)a->H, (unsigned)B); }

static inline int ba_att_run_forward(const bai_cuda_call *c, const ba_att *a, int64_t B, ba_err *e)
{
    int64_t room = ba_att_bytes(a->T);
    if (ba_att_room(c, room, e))
        return BA_EARG;
    BA_REAL(c->in[0].type.dtype, T, {
        auto f = ba_att_forward<T>;
        BA_LAUNCH(f, ba_att_grid(a, a->Q, B), BA_ATT_WARPS * BA_WARP, (size_t)room, c, *a);
    });
    return BA_OK;
}

static inline int ba_att_run_backward(const bai_cuda_call *c, const ba_att *a, int64_t B, ba_err *e)
{
    int64_t rows = ba_att_bytes(2 * a->T), columns = ba_att_bytes(2 * a->Q);
    if (ba_att_room(c, rows, e) || ba_att_room(c, columns, e))
        return BA_EARG;
    BA_REAL(c->in[0].type.dtype, T, {
        auto queries = ba_att_queries<T>;
        auto keys = ba_att_keys<T>;
        BA_LAUNCH(queries, ba_att_grid(a, a->Q, B), BA_ATT_WARPS * BA_WARP, (size_t)rows, c, *a);
        if (a->dk.at)
            BA_LAUNCH(keys, ba_att_grid(a, a->T, B), BA_ATT_WARPS * BA_WARP, (size_t)columns, c, *a);
    });
    return BA_OK;
}

static inline ba_heads ba_heads_of(const ba_view *v, int64_t part, int64_t parts) /* [B,rows,parts*D]: part number `part` */
{
    int64_t D = v->type.dim[2] / parts;
    ba_heads h = { v->data, part * D, v->type.dim[1] * v->type.dim[2], v->type.dim[2] };
    return h;
}

#endif
