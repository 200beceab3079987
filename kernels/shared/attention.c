/* attention: one head, forward and backward. */
#include "attention.h"

/* row = softmax(row) of n numbers, in room for ld; returns its log-sum-exp. */
static float softmax_row(float *row, int64_t n, int64_t ld)
{
    vf top = v_set(-3.0e38f), sum = { 0 };
    for (int64_t i = n; i < ld; i++)
        row[i] = -3.0e38f;
    for (int64_t i = 0; i + VL <= ld; i += VL)
        top = v_max(v_load(row + i), top);
    float m = v_top(top);
    for (int64_t i = ld - ld % VL; i < ld; i++)
        m = row[i] > m ? row[i] : m;
    for (int64_t i = 0; i < ld; i += VL) {
        int64_t c = bai_min(VL, ld - i);
        vf x = v_exp(v_load_part(row + i, c) - m);
        for (int64_t k = c; k < VL; k++)
            x[k] = 0;
        sum += x;
        v_store_part(row + i, x, c);
    }
    const float s = v_sum(sum), by = 1.0f / s;
    for (int64_t i = 0; i < ld; i += VL)
        v_store_part(row + i, v_load_part(row + i, ld - i) * by, ld - i);
    return m + logf(s);
}

/* to = alpha a b^T, [tq,tk] with the stride of P; a [tq,d], b [tk,d]. */
static void scores(const bai_head *h, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float *to)
{
    const int64_t ld = bai_scores_stride(h->tk);
    const bai_gemm g = { .M = h->tq, .N = ld, .K = h->d, .alpha = alpha, .A = a, .lda = lda, .C = to, .ldc = ld }; /* whole vectors: nothing to cut off */
    const bai_panels keys = { .B = b, .ldb = ldb, .trans = 1, .K = h->d, .N = h->tk };
    bai_multiply(&g, &keys, 0);
}

void bai_head_forward(const bai_head *h, float *lse, float *out)
{
    const int64_t ld = bai_scores_stride(h->tk);
    scores(h, 1.0f / sqrtf((float)h->d), h->q, h->ldq, h->k, h->ldk, h->P);
    for (int64_t i = 0; i < h->tq; i++) {
        float l = softmax_row(h->P + i * ld, h->tk, ld);
        if (lse)
            lse[i] = l;
    }
    if (out)
        bai_sgemm(0, 0, h->tq, h->d, h->tk, 1, h->P, ld, h->v, h->ldv, 0, out, h->ldo);
}

/* dS = P (dP - sum_j P dP) scale, row by row, into Dp. */
static void score_gradient(const bai_head *h, float scale)
{
    const int64_t ld = bai_scores_stride(h->tk);
    for (int64_t r = 0; r < h->tq; r++) {
        const float *p = h->P + r * ld;
        float *d = h->Dp + r * ld;
        vf s = { 0 };
        for (int64_t i = 0; i < ld; i += VL)
            s += v_load_part(p + i, ld - i) * v_load_part(d + i, ld - i);
        const float dot = v_sum(s);
        for (int64_t i = 0; i < ld; i += VL)
            v_store_part(d + i, v_load_part(p + i, ld - i) * (v_load_part(d + i, ld - i) - dot) * scale, ld - i);
    }
}

/* P again, from the scores and their log-sum-exp; zeros behind it. */
static void probabilities(const bai_head *h, float scale, const float *lse)
{
    const int64_t ld = bai_scores_stride(h->tk);
    scores(h, scale, h->q, h->ldq, h->k, h->ldk, h->P);
    for (int64_t r = 0; r < h->tq; r++) {
        float *p = h->P + r * ld;
        for (int64_t i = 0; i < ld; i += VL)
            v_store_part(p + i, v_exp(v_load_part(p + i, ld - i) - lse[r]), ld - i);
        for (int64_t i = h->tk; i < ld; i++)
            p[i] = 0;
    }
}

void bai_head_backward(const bai_head *h, const float *lse, const float *dclass, int64_t rows, float *dq, int64_t lddq, float *dk, int64_t lddk,
                       float *dv, int64_t lddv)
{
    const float scale = 1.0f / sqrtf((float)h->d);
    const int64_t ld = bai_scores_stride(h->tk);
    probabilities(h, scale, lse);
    if (h->dout)
        scores(h, 1, h->dout, h->ldo, h->v, h->ldv, h->Dp);
    else
        memset(h->Dp, 0, (size_t)(h->tq * ld) * 4);
    for (int64_t r = 0; dclass && r < rows; r++)
        for (int64_t i = 0; i < h->tk; i++)
            h->Dp[r * ld + i] += dclass[r * h->tk + i];
    if (h->dout)
        bai_sgemm(1, 0, h->tk, h->d, h->tq, 1, h->P, ld, h->dout, h->ldo, 0, dv, lddv);
    for (int64_t r = 0; !h->dout && r < h->tk; r++)
        memset(dv + r * lddv, 0, (size_t)h->d * 4);
    score_gradient(h, scale);
    bai_sgemm(0, 0, h->tq, h->d, h->tk, 1, h->Dp, ld, h->k, h->ldk, 0, dq, lddq);
    bai_sgemm(1, 0, h->tk, h->d, h->tq, 1, h->Dp, ld, h->q, h->ldq, 0, dk, lddk);
}

void bai_head_reference(int64_t tq, int64_t tk, int64_t d, const double *q, int64_t ldq, const double *k, int64_t ldk, const double *v,
                        int64_t ldv, double *lse, double *out, int64_t ldo, double *classes, int64_t rows)
{
    double *p = malloc((size_t)tk * sizeof *p);
    for (int64_t i = 0; p && i < tq; i++) {
        double top = -1e300, sum = 0;
        for (int64_t j = 0; j < tk; j++) {
            p[j] = 0;
            for (int64_t c = 0; c < d; c++)
                p[j] += q[i * ldq + c] * k[j * ldk + c] / sqrt((double)d);
            top = p[j] > top ? p[j] : top;
        }
        for (int64_t j = 0; j < tk; j++)
            sum += p[j] = exp(p[j] - top);
        lse[i] = top + log(sum);
        for (int64_t j = 0; j < tk; j++)
            p[j] /= sum;
        for (int64_t j = 0; i < rows && j < tk; j++)
            classes[i * tk + j] = p[j];
        for (int64_t c = 0; c < d; c++) {
            double s = 0;
            for (int64_t j = 0; j < tk; j++)
                s += p[j] * v[j * ldv + c];
            out[i * ldo + c] = s;
        }
    }
    free(p);
}
