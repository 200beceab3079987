/* cross_entropy on CUDA: a block a row: log-sum-exp, loss and gradient. */
#include "../cuda/each.h"

static __global__ void run(ba_array z, const int32_t *labels, const float *soft, float *loss, float *grad, int64_t C, float smoothing, uint32_t *fault, uint32_t id)
{
    __shared__ float room[33];
    int64_t row = blockIdx.x, at = row * C;
    int64_t label = labels ? labels[row] : 0;
    if (labels && (label < 0 || label >= C) && !threadIdx.x)
        ba_fault(fault, id, BA_FAULT_INDEX);
    float top = -INFINITY, sum = 0, own = 0;
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x)
        top = fmaxf(top, ba_get(z, at + i));
    top = ba_block_max(top, room);
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x)
        sum += expf(ba_get(z, at + i) - top);
    sum = ba_block_sum(sum, room);
    float log_sum = logf(sum), over = 1 / sum;
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x) {
        float d = ba_get(z, at + i) - top, t = soft ? soft[at + i] : (i == label ? 1 - smoothing : 0) + smoothing / (float)C;
        own -= t != 0 ? t * (d - log_sum) : 0;
        if (grad)
            grad[at + i] = expf(d) * over - t;
    }
    own = ba_block_sum(own, room);
    if (!threadIdx.x && loss)
        loss[row] = own;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *z = &c->in[0].type;
    int soft = c->in[1].type.dtype == BA_F32;
    BA_LAUNCH(run, (unsigned)z->dim[0], 128, 0, c, ba_array_of(&c->in[0]), soft ? NULL : (const int32_t *)c->in[1].data, soft ? (const float *)c->in[1].data : NULL,
              (float *)c->out[0].data, (float *)c->out[1].data, z->dim[1], (float)bai_cuda_f(c, "smoothing"), c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(cross_entropy) = { "cross_entropy", launch };
