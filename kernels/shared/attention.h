/* attention: one head, forward and backward, in fp32, on the calling thread; shared by attention and class_attention.
 * Tq queries, Tk keys of width d; every matrix has its own row stride, so that heads are read from and written into packed
 * tensors in place. P is a scratch matrix [Tq,Tk] of row stride ldp (Dp another one for the backward pass) that stays in the processor's cache. */
#ifndef BAI_ATTENTION_H
#define BAI_ATTENTION_H

#include "gemm.h"

typedef struct bai_head {
    int64_t tq, tk, d;
    const float *q, *k, *v, *dout;  /* [tq,d] [tk,d] [tk,d] [tq,d]; dout may be NULL */
    int64_t ldq, ldk, ldv, ldo;
    float *P, *Dp;                  /* bai_scores_room floats each */
} bai_head;

/* Row stride of P: what lies behind the Tk-th column is of no meaning. */
static inline int64_t bai_scores_stride(int64_t tk) { return BAI_LIBRARY ? tk : bai_ceil(tk, VL) * VL; }
static inline int64_t bai_scores_room(int64_t tq, int64_t tk) { return bai_round64(tq * bai_scores_stride(tk) * 4) / 4; }

#define bai_head_forward BAI_TIERED(bai_head_forward)
#define bai_head_backward BAI_TIERED(bai_head_backward)
/* P = softmax(q k^T / sqrt d), lse[tq] (may be NULL) its log-sum-exp, out = P v (may be NULL). */
void bai_head_forward(const bai_head *h, float *lse, float *out);
/* Gradients into dq [tq,d] (stride ldq), dk, dv [tk,d] (strides ldk, ldv). dclass: gradient of the first `rows` rows of P, or NULL. */
void bai_head_backward(const bai_head *h, const float *lse, const float *dclass, int64_t rows, float *dq, int64_t lddq, float *dk, int64_t lddk,
                       float *dv, int64_t lddv);
/* The same in double, for references. */
void BAI_TIERED(bai_head_reference)(int64_t tq, int64_t tk, int64_t d, const double *q, int64_t ldq, const double *k, int64_t ldk, const double *v,
                                    int64_t ldv, double *lse, double *out, int64_t ldo, double *classes, int64_t rows);
#define bai_head_reference BAI_TIERED(bai_head_reference)

#endif
