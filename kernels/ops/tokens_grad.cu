/* tokens_grad on CUDA: a thread a number of the position table or of an extra token adds up its images in order. */
#include "../cuda/each.h"

typedef struct seats { int64_t B, T, D, prefix, lead, patches; } seats;

static __global__ void run(ba_array d, const int32_t *kept, float *dprefix, float *dpos, seats s, uint32_t *fault, uint32_t id)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, c = i % s.D, seat = i / s.D, n = s.T - s.prefix, which = seat - s.prefix;
    if (seat >= s.prefix + s.patches)
        return;
    float sum = 0;
    for (int64_t b = 0; b < s.B; b++) {
        int64_t j = which; /* where the patch stands in this image; -1: nowhere */
        if (which >= 0 && kept) {
            j = -1;
            for (int64_t k = 0; k < n; k++) {
                int64_t at = kept[b * n + k];
                if (!which && !c && (at < 0 || at >= s.patches)) /* one thread looks */
                    ba_fault(fault, id, BA_FAULT_INDEX);
                if (at == which)
                    j = k;
            }
        }
        if (which < 0 || j >= 0)
            sum += ba_get(d, (b * s.T + (which < 0 ? seat : s.prefix + j)) * s.D + c);
    }
    if (which < 0 && dprefix)
        dprefix[i] = sum;
    if (dpos && (which >= 0 || s.lead))
        dpos[which < 0 ? i : (s.lead + which) * s.D + c] = sum;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    int64_t D = x->dim[2], patches = bai_cuda_i(c, "patches");
    seats s = { x->dim[0], x->dim[1], D, bai_cuda_i(c, "prefix"), ba_type_count(&c->in[2].type) / D - patches, patches };
    BA_LAUNCH(run, (unsigned)ba_ceil((s.prefix + s.patches) * D, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]),
              c->n_in > 3 ? (const int32_t *)c->in[3].data : NULL, (float *)c->out[0].data, (float *)c->out[1].data, s, c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(tokens_grad) = { "tokens_grad", launch };
