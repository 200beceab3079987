/* pool: worker threads for kernels. One caller at a time; the caller works too (as worker 0). */
#ifndef BAI_POOL_H
#define BAI_POOL_H

#include <stdint.h>

#include "bauta/base.h"

typedef struct bai_pool bai_pool;

/* workers >= 1, the caller counted; every thread of the pool calls enter (may be NULL) before its first task. */
bai_pool *bai_pool_new(int workers, void (*enter)(void), ba_err *e);
void bai_pool_free(bai_pool *p);
int bai_pool_workers(const bai_pool *p);
/* Runs fn(ctx, task, worker) for every task in 0..tasks-1, handed out one by one; returns when all are done. */
void bai_pool_run(bai_pool *p, int64_t tasks, void (*fn)(void *ctx, int64_t task, int worker), void *ctx);
/* From the next run on only the first n threads (1 to all) get tasks; the others sleep. */
void bai_pool_limit(bai_pool *p, int n);
/* Seconds that the threads together could have run but had to wait for a processor so far; -1 where the system does not say. */
double bai_pool_waited(void *pool);
/* Denormals count as zero in the calling thread while on: they cost 6x in AdamW and mean nothing here. Returns the state before. */
unsigned bai_denormals_off(void);
void bai_denormals_restore(unsigned state);

#endif
