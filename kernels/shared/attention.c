/* attention: one head, forward and backward. */
#include "attention.h"

/* row = softmax(row); returns its log-sum-exp. */
static float softmax_row(float *row, int64_t n)
{
    vf top = v_set(-3.0e38f), sum = { 0 };
    for (int64_t i = 0; i + VL <= n; i += VL)
        top = v_max(top, v_load(row + i));
    float m = v_top(top);
    for (int64_t i = n - n % VL; i < n; i++)
        m = row[i] > m ? row[i] : m;
    for (int64_t i = 0; i < n; i += VL) {
        int64_t c = bai_min(VL, n - i);
        vf x = v_exp(v_load_part(row + i, c) - m);
        for (int64_t k = c; k < VL; k++)
            x[k] = 0;
        sum += x;
        v_store_part(row + i, x, c);
    }
    const float s = v_sum(sum), by = 1.0f / s;
    for (int64_t i = 0; i < n; i += VL) {
        int64_t c = bai_min(VL, n - i);
        v_store_part(row + i, v_load_part(row + i, c) * by, c);
    }
    return m + logf(s);
}

void bai_head_forward(const bai_head *h, float *lse, float *out)
{
    const float scale = 1.0f / sqrtf((float)h->d);
    bai_sgemm(0, 1, h->tq, h->tk, h->d, scale, h->q, h->ldq, h->k, h->ldk, 0, h->P, h->tk);
    for (int64_t i = 0; i < h->tq; i++) {
        float l = softmax_row(h->P + i * h->tk, h->tk);
        if (lse)
            lse[i] = l;
    }
    if (out)
        bai_sgemm(0, 0, h->tq, h->d, h->tk, 1, h->P, h->tk, h->v, h->ldv, 0, out, h->ldo);
}

/* dS = P (dP - sum_j P dP) scale, row by row, into Dp. */
static void score_gradient(const bai_head *h, float scale)
{
    for (int64_t r = 0; r < h->tq; r++) {
        const float *p = h->P + r * h->tk;
        float *d = h->Dp + r * h->tk;
        vf s = { 0 };
        for (int64_t i = 0; i < h->tk; i += VL) {
            int64_t c = bai_min(VL, h->tk - i);
            s += v_load_part(p + i, c) * v_load_part(d + i, c);
        }
        const float dot = v_sum(s);
        for (int64_t i = 0; i < h->tk; i += VL) {
            int64_t c = bai_min(VL, h->tk - i);
            v_store_part(d + i, v_load_part(p + i, c) * (v_load_part(d + i, c) - dot) * scale, c);
        }
    }
}

void bai_head_backward(const bai_head *h, const float *lse, const float *dclass, int64_t rows, float *dq, int64_t lddq, float *dk, int64_t lddk,
                       float *dv, int64_t lddv)
{
    const float scale = 1.0f / sqrtf((float)h->d);
    bai_sgemm(0, 1, h->tq, h->tk, h->d, scale, h->q, h->ldq, h->k, h->ldk, 0, h->P, h->tk);
    for (int64_t r = 0; r < h->tq; r++)
        for (int64_t i = 0; i < h->tk; i += VL) {
            int64_t c = bai_min(VL, h->tk - i);
            float *p = h->P + r * h->tk + i;
            v_store_part(p, v_exp(v_load_part(p, c) - lse[r]), c);
        }
    if (h->dout)
        bai_sgemm(0, 1, h->tq, h->tk, h->d, 1, h->dout, h->ldo, h->v, h->ldv, 0, h->Dp, h->tk);
    else
        memset(h->Dp, 0, (size_t)(h->tq * h->tk) * 4);
    for (int64_t i = 0; dclass && i < rows * h->tk; i++)
        h->Dp[i] += dclass[i];
    if (h->dout)
        bai_sgemm(1, 0, h->tk, h->d, h->tq, 1, h->P, h->tk, h->dout, h->ldo, 0, dv, lddv);
    for (int64_t r = 0; !h->dout && r < h->tk; r++)
        memset(dv + r * lddv, 0, (size_t)h->d * 4);
    score_gradient(h, scale);
    bai_sgemm(0, 0, h->tq, h->d, h->tk, 1, h->Dp, h->tk, h->k, h->ldk, 0, dq, lddq);
    bai_sgemm(1, 0, h->tk, h->d, h->tq, 1, h->Dp, h->tk, h->q, h->ldq, 0, dk, lddk);
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
