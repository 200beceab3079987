/* attention: forward and backward for any length and width, in fp32: a warp a query (or a key). For precision fp32 and unusual
 * shapes; the tensor-core kernels take the others. No atomic sums: the gradient of a key is added up by one warp, in order. */
#ifndef BAI_CUDA_ATTENTION_H
#define BAI_CUDA_ATTENTION_H

#include "each.h"

enum { BA_ATT_WARPS = 4 };

/* Element (b, head, row, c) of a packed tensor: at[b * batch + row * ld + head * d + c]. */
typedef struct ba_heads { ba_array x; int64_t offset, batch, ld; } ba_heads;
typedef struct ba_att {
    ba_heads q, k, v, out, dout, dq, dk, dv;
    int64_t H, Q, T, d, E;        /* E: rows of classes */
    float scale;
    float *lse, *classes, *delta; /* [B,H,Q], [B,H,E,T]; each may be NULL in the forward pass */
    const float *lse_in, *dclass;
} ba_att;

static __device__ __forceinline__ float ba_head_at(const ba_heads &t, int64_t b, int64_t h, int64_t d, int64_t row, int64_t c)
{
    return ba_get(t.x, t.offset + b * t.batch + row * t.ld + h * d + c);
}
static __device__ __forceinline__ float ba_head_dot(const ba_att &a, const ba_heads &x, int64_t i, const ba_heads &y, int64_t j, int64_t b, int64_t h)
{
    float s = 0;
    for (int64_t c = 0; c < a.d; c++)
        s += ba_head_at(x, b, h, a.d, i, c) * ba_head_at(y, b, h, a.d, j, c);
    return s;
}

/* Shared: a row of T numbers for each warp. */
static __global__ void ba_att_forward(ba_att a)
{
    BA_DYNAMIC_SHARED(float, rows);
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    int64_t i = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, h = blockIdx.y, b = blockIdx.z, bh = b * a.H + h;
    float *p = rows + warp * a.T, top = -INFINITY, sum = 0;
    if (i >= a.Q)
        return;
    for (int64_t j = lane; j < a.T; j += BA_WARP) {
        p[j] = ba_head_dot(a, a.q, i, a.k, j, b, h) * a.scale;
        top = fmaxf(top, p[j]);
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
    for (int64_t c = lane; a.out.x.data && c < a.d; c += BA_WARP) {
        float s = 0;
        for (int64_t j = 0; j < a.T; j++)
            s += p[j] * ba_head_at(a.v, b, h, a.d, j, c);
        ba_set(a.out.x, a.out.offset + b * a.out.batch + i * a.out.ld + h * a.d + c, s);
    }
}

/* dS of query i and key j before delta is taken off: the gradient of the attention weight. */
static __device__ __forceinline__ float ba_att_dp(const ba_att &a, int64_t i, int64_t j, int64_t b, int64_t h)
{
    float s = a.dout.x.data ? ba_head_dot(a, a.dout, i, a.v, j, b, h) : 0;
    return s + (a.dclass && i < a.E ? a.dclass[((b * a.H + h) * a.E + i) * a.T + j] : 0.f);
}

static __global__ void ba_att_queries(ba_att a) /* delta and dq */
{
    BA_DYNAMIC_SHARED(float, rows);
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    int64_t i = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, h = blockIdx.y, b = blockIdx.z, bh = b * a.H + h;
    float *ds = rows + warp * 2 * a.T, *p = ds + a.T, delta = 0;
    if (i >= a.Q)
        return;
    float lse = a.lse_in[bh * a.Q + i];
    for (int64_t j = lane; j < a.T; j += BA_WARP) {
        p[j] = expf(ba_head_dot(a, a.q, i, a.k, j, b, h) * a.scale - lse);
        ds[j] = ba_att_dp(a, i, j, b, h);
        delta += p[j] * ds[j];
    }
    delta = ba_warp_sum(delta);
    if (!lane)
        a.delta[bh * a.Q + i] = delta;
    for (int64_t j = lane; j < a.T; j += BA_WARP)
        ds[j] = p[j] * (ds[j] - delta);
    __syncwarp();
    for (int64_t c = lane; a.dq.x.data && c < a.d; c += BA_WARP) {
        float s = 0;
        for (int64_t j = 0; j < a.T; j++)
            s += ds[j] * ba_head_at(a.k, b, h, a.d, j, c);
        ba_set(a.dq.x, a.dq.offset + b * a.dq.batch + i * a.dq.ld + h * a.d + c, s * a.scale);
    }
}

static __global__ void ba_att_keys(ba_att a) /* dk and dv, after ba_att_queries */
{
    BA_DYNAMIC_SHARED(float, rows);
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    int64_t j = (int64_t)blockIdx.x * BA_ATT_WARPS + warp, h = blockIdx.y, b = blockIdx.z, bh = b * a.H + h;
    float *ds = rows + warp * 2 * a.Q, *p = ds + a.Q;
    if (j >= a.T)
        return;
    for (int64_t i = lane; i < a.Q; i += BA_WARP) {
        p[i] = expf(ba_head_dot(a, a.q, i, a.k, j, b, h) * a.scale - a.lse_in[bh * a.Q + i]);
        ds[i] = p[i] * (ba_att_dp(a, i, j, b, h) - a.delta[bh * a.Q + i]);
    }
    __syncwarp();
    for (int64_t c = lane; c < a.d; c += BA_WARP) {
        float dk = 0, dv = 0;
        for (int64_t i = 0; i < a.Q; i++) {
            dk += ds[i] * ba_head_at(a.q, b, h, a.d, i, c);
            dv += a.dout.x.data ? p[i] * ba_head_at(a.dout, b, h, a.d, i, c) : 0.f;
        }
        ba_set(a.dk.x, a.dk.offset + b * a.dk.batch + j * a.dk.ld + h * a.d + c, dk * a.scale);
        ba_set(a.dv.x, a.dv.offset + b * a.dv.batch + j * a.dv.ld + h * a.d + c, dv);
    }
}

static inline int ba_att_room(const bai_cuda_call *c, int64_t bytes, ba_err *e)
{
    int64_t most = (int64_t)rt_shared(bai_cuda_rt(c->cuda));
    return bytes <= most ? BA_OK : ba_fail(e, BA_EARG, "attention over so many tokens needs %lld KiB of shared memory; this device has %lld", (long long)(bytes / 1024), (long long)(most / 1024));
}

static inline int ba_att_run_forward(const bai_cuda_call *c, const ba_att *a, int64_t B, ba_err *e)
{
    int64_t room = BA_ATT_WARPS * a->T * 4;
    if (ba_att_room(c, room, e))
        return BA_EARG;
    BA_LAUNCH(ba_att_forward, dim3((unsigned)ba_ceil(a->Q, BA_ATT_WARPS), (unsigned)a->H, (unsigned)B), BA_ATT_WARPS * BA_WARP, (size_t)room, c, *a);
    return BA_OK;
}

static inline int ba_att_run_backward(const bai_cuda_call *c, const ba_att *a, int64_t B, ba_err *e)
{
    int64_t rows = BA_ATT_WARPS * 2 * a->T * 4, columns = BA_ATT_WARPS * 2 * a->Q * 4;
    if (ba_att_room(c, rows, e) || ba_att_room(c, columns, e))
        return BA_EARG;
    BA_LAUNCH(ba_att_queries, dim3((unsigned)ba_ceil(a->Q, BA_ATT_WARPS), (unsigned)a->H, (unsigned)B), BA_ATT_WARPS * BA_WARP, (size_t)rows, c, *a);
    if (a->dk.x.data)
        BA_LAUNCH(ba_att_keys, dim3((unsigned)ba_ceil(a->T, BA_ATT_WARPS), (unsigned)a->H, (unsigned)B), BA_ATT_WARPS * BA_WARP, (size_t)columns, c, *a);
    return BA_OK;
}

static inline ba_heads ba_heads_of(const ba_view *v, int64_t part, int64_t parts) /* [B,rows,parts*D]: part number `part` */
{
    int64_t D = v->type.dim[2] / parts;
    ba_heads h = { ba_array_of(v), part * D, v->type.dim[1] * v->type.dim[2], v->type.dim[2] };
    return h;
}

#endif
