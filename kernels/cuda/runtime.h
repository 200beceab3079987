/* runtime: what the CUDA device needs of a machine: memory, copies, one stream of work, replayed programs, matrix products. Two of them:
 * runtime_cuda.c on the CUDA runtime and cuBLASLt, runtime_emulated.c on the host's memory, for tests without a GPU. */
#ifndef BAI_CUDA_RUNTIME_H
#define BAI_CUDA_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "bauta/base.h"

typedef struct rt rt;

extern const char rt_name[];                    /* "cuda", "emulated" */
rt *rt_open(ba_err *e);                         /* the first device that can be had; NULL and one line */
void rt_close(rt *r);
const char *rt_describe(rt *r);
void *rt_stream(rt *r);
size_t rt_shared(rt *r);                         /* bytes of shared memory that a block may have */

void *rt_alloc(rt *r, size_t bytes, ba_err *e); /* zeroed */
void rt_free(rt *r, void *p);
int64_t rt_room(rt *r);                         /* bytes that can still be had; -1: not known */
int rt_put(rt *r, void *to, const void *from, size_t bytes, ba_err *e);  /* `from` may change when it returns */
/* Sends a block on its way while a step runs; rt_take puts it where it belongs, after all work before it. */
int rt_send(rt *r, void *to, const void *from, size_t bytes, ba_err *e);
int rt_take(rt *r, void *to, ba_err *e);
int rt_get(rt *r, void *to, const void *from, size_t bytes, ba_err *e);  /* waits for all work before it */
int rt_wait(rt *r, ba_err *e);
uint32_t *rt_shared_word(rt *r);                /* one word that the host reads and kernels write */

int rt_failed(rt *r, const char *where, ba_err *e); /* what the launch just made reports */

/* Work enqueued between begin and end is not done, but can be replayed. 0 from rt_can_record: replay by launching again. */
int rt_can_record(rt *r);
int rt_record_begin(rt *r, ba_err *e);
int rt_record_end(rt *r, void **recording, ba_err *e);
int rt_replay(rt *r, void *recording, ba_err *e);
void rt_recording_free(rt *r, void *recording);

/* Seconds between marks i and i + 1, after rt_wait. */
int rt_mark(rt *r, int i, ba_err *e);
double rt_between(rt *r, int i);

/* Row-major C[m,n] = alpha op(A) op(B) + beta C, `batch` times with the given strides. Element types: BA_F32 or BA_BF16. */
typedef struct rt_gemm {
    int trans_a, trans_b, type_a, type_b, type_c, tf32;
    int64_t m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c;
    float alpha, beta;
    const void *a, *b;
    void *c;
    const void *bias;         /* [n] of type_c, added to every row; NULL */
    void *sums;               /* [m] of type_c: the sums of op(A) over k, made on the way; NULL. Not together with a bias */
} rt_gemm;
/* What was not done, because the library does not offer it with such a product (the product itself is done). Negative: an error. */
enum { RT_NO_BIAS = 1, RT_NO_SUMS = 2 };
int rt_gemm_run(rt *r, const rt_gemm *g, ba_err *e);

#endif
