/* build: the table of signals and facts that plugins see while a graph is described, and the call that is being made. */
#ifndef BAI_BUILD_H
#define BAI_BUILD_H

#include "../base/mem.h"
#include "../base/type.h"
#include "bauta/model.h"
#include "bauta/plugin.h"

typedef struct bai_signal bai_signal;
typedef struct bai_norm { ba_tensor *out, *weight, *bias; double eps; } bai_norm; /* a LayerNorm and what it gives out */
/* Makes the tensor of a signal that was only offered; s->t is what it is made of. */
typedef ba_tensor *(*bai_recipe)(ba_build *b, const bai_signal *s, ba_err *e);
struct bai_signal {
    const char *who, *what;
    int64_t layer;
    ba_tensor *t;
    bai_recipe make;             /* NULL: t is the signal itself */
    int64_t heads;               /* for the recipe */
    ba_tensor *sizes;            /* too: how many tokens each key stands for; NULL: one each */
    const bai_norm *norm;        /* too: the model's final one */
};
typedef struct bai_alias { const char *alias, *who; } bai_alias;
typedef struct bai_fact { const char *who, *what; int64_t value; } bai_fact;

/* A residual sum that nobody has asked for yet: when a LayerNorm does, both are made by one operation, and `joined` is the sum it gives out. */
typedef struct bai_sum { ba_tensor *sum, *x, *branch, *scale, *joined; } bai_sum;

typedef struct bai_call {        /* one call into a plugin */
    const ba_plugin_desc *desc;  /* NULL: none is going on */
    const char *who;             /* the model being built; NULL for masks and losses */
    const char *label;           /* in front of random streams */
    const char *weights;         /* in front of names of learned tensors, with its point; "" for models */
    ba_store *store;             /* NULL: there may be no learned tensors */
    int training;
    const char *whom;            /* the model to be masked; NULL but for masks */
    const char *reduced;         /* the model that a reducer works in; NULL but for reducers */
} bai_call;

enum { BAI_ALIASES = 8 };

typedef struct bai_reduction {   /* of the model that is being built */
    const ba_params *reducer;    /* NULL: none */
    ba_tensor *sizes;            /* f32 [B,n] of the tokens so far; NULL: one each */
    int64_t weigh, blocks;       /* weigh: attention in proportion to the sizes; blocks: how many were asked so far */
} bai_reduction;
typedef struct bai_fp8 {         /* of the models built now: core/nn/fp8.c */
    int mode;                    /* BA_FP8_... */
    ba_store *scales;
    const char *name;            /* in front of the scales' names */
    int64_t layers;              /* how many of the model's were taken so far */
} bai_fp8;
typedef struct bai_renewal bai_renewal; /* state.c */

struct ba_build {
    uint32_t tag;
    ba_graph *g;
    bai_arena arena;
    bai_signal *signals;
    bai_fact *facts;
    bai_sum *sums;
    int64_t n_signals, n_facts, n_sums;
    bai_alias aliases[BAI_ALIASES];
    int n_aliases;
    int corners;                 /* score maps are resampled with their corners aligned */
    ba_store *states;            /* of losses; NULL: they may have none */
    bai_renewal *renewals, *last_renewal;
    bai_call call;
    bai_reduction reduction;
    bai_norm norm;               /* the last one that was built */
    bai_fp8 fp8;
};

int bai_build_check(const ba_build *b, ba_err *e);
int bai_build_fact_put(ba_build *b, const char *who, const char *what, int64_t value, ba_err *e);
int64_t bai_build_fact_get(const ba_build *b, const char *who, const char *what); /* -1, silently */
int bai_build_has(const ba_build *b, const char *who, const char *what);          /* any layer */
/* 1: layers have this signal, from first to last. */
int bai_build_span(const ba_build *b, const char *who, const char *what, int64_t *first, int64_t *last);

ba_tensor *bai_build_own(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e); /* like ba_build_get; who is no other's name */
/* Like ba_build_put, of a tensor that is made when somebody asks for it. */
int bai_build_offer(ba_build *b, bai_signal s, ba_err *e);

/* sums */
int bai_sum_put(ba_build *b, bai_sum sum, ba_err *e);
bai_sum *bai_sum_of(ba_build *b, const ba_tensor *t);      /* NULL: t is not such a sum */
ba_tensor *bai_sum_joined(ba_build *b, ba_tensor *t);      /* what stands for t now: t itself, or the sum given out with a LayerNorm */

/* call.c: one block of the model that is being built meets its reducer. */
int bai_reduce(ba_build *b, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e);

extern const ba_host bai_host;                             /* host.c */

#endif
