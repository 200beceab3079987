/* adamw on CUDA: one pass, in place, over one tensor or over hundreds in one launch; learning rate, step and clipping factor are read on the device,
 * so that the step can be replayed. */
#include "../cuda/each.h"

enum { BLOCK = 4096 }; /* elements a block of threads */

typedef struct rule { const int32_t *step; const float *factor; double beta1, beta2; float eps; uint32_t *fault, id; } rule; /* the same for all parts */
typedef struct part { float *p, *m, *v, *token; const float *g, *lr, *decay; int64_t n; double own; int32_t first; } part; /* first: block; own: decay */
template <int MOST> struct parts { rule all; int32_t n; part at[MOST]; };

static __device__ void update(const rule &a, const part &k, int64_t from, const float *s)
{
    const float f = a.factor ? *a.factor : 1, b1 = (float)a.beta1, b2 = (float)a.beta2;
    for (int64_t i = from + threadIdx.x; i < from + BLOCK && i < k.n; i += blockDim.x) {
        float d = k.g[i] * f, x = b1 * k.m[i] + (1 - b1) * d, y = b2 * k.v[i] + (1 - b2) * d * d;
        k.m[i] = x;
        k.v[i] = y;
        k.p[i] = k.p[i] * s[2] - s[0] * x / (sqrtf(y) * s[1] + a.eps);
    }
}

template <int MOST> static __global__ void run(parts<MOST> all)
{
    __shared__ float s[3]; /* lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), 1 - lr decay */
    int low = 0, high = all.n - 1;
    while (MOST > 1 && low < high) { /* the last part that begins at this block or before it */
        int middle = (low + high + 1) / 2;
        if (all.at[middle].first <= (int)blockIdx.x)
            low = middle;
        else
            high = middle - 1;
    }
    const part &k = all.at[low];
    if (!threadIdx.x) {
        double t = *all.all.step, rate = *k.lr;
        if (k.token && (int)blockIdx.x == k.first)
            *k.token = 0;
        if (t < 1)
            ba_fault(all.all.fault, all.all.id, BA_FAULT_STEP);
        s[0] = (float)(rate / (1 - pow(all.all.beta1, t)));
        s[1] = (float)(1 / sqrt(1 - pow(all.all.beta2, t)));
        s[2] = (float)(1 - rate * (k.decay ? (double)*k.decay : k.own));
    }
    __syncthreads();
    update(all.all, k, (int64_t)((int)blockIdx.x - k.first) * BLOCK, s);
}

static const void *given(const bai_cuda_call *c, int i) { return i < c->n_in ? c->in[i].data : NULL; }

static rule rule_of(const bai_cuda_call *c)
{
    rule r = { (const int32_t *)given(c, 5), (const float *)given(c, 6), bai_cuda_f(c, "beta1"), bai_cuda_f(c, "beta2"), (float)bai_cuda_f(c, "eps"), c->fault, c->id };
    return r;
}

static int same(const rule &a, const rule &b) { return a.step == b.step && a.factor == b.factor && a.beta1 == b.beta1 && a.beta2 == b.beta2 && a.eps == b.eps; }

static part part_of(const bai_cuda_call *c, int64_t first)
{
    part p = { (float *)c->in[0].data, (float *)c->in[2].data, (float *)c->in[3].data, (float *)c->out[0].data, (const float *)given(c, 1), (const float *)given(c, 4),
               (const float *)given(c, 7), ba_type_count(&c->in[0].type), bai_cuda_f(c, "weight_decay"), (int32_t)first };
    return p;
}

/* As many of the calls as one launch takes; gives how many. */
template <int MOST> static int launch_some(const bai_cuda_call *c, int n)
{
    parts<MOST> all = { rule_of(c), 0, {} };
    int64_t blocks = 0;
    for (; all.n < n && all.n < MOST && blocks < 0x40000000 && same(all.all, rule_of(&c[all.n])); all.n++) {
        all.at[all.n] = part_of(&c[all.n], blocks);
        blocks += ba_ceil(all.at[all.n].n, BLOCK);
    }
    auto k = run<MOST>;
    BA_LAUNCH(k, (unsigned)blocks, BA_THREADS, 0, c, all);
    return all.n;
}

static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; launch_some<1>(c, 1); return BA_OK; }

static int many(const bai_cuda_call *calls, int n, ba_err *e)
{
    (void)e;
    for (int done = 0; done < n;)
        done += launch_some<BAI_CUDA_MANY>(calls + done, n - done);
    return BA_OK;
}

BA_CUDA_OP(adamw) = { "adamw", launch, NULL, many };
