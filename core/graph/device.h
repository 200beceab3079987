/* device: the table behind which every device stands. "cpu" is built in; another device is a shared object
 * bauta_NAME.so that exports one `const bai_device_ops bauta_device`. */
#ifndef BAI_DEVICE_H
#define BAI_DEVICE_H

#include "bauta/op.h"

enum { BAI_DEVICE_MAGIC = 0x42444556, BAI_DEVICE_ABI = 3 };

typedef struct bai_step {      /* one call of an operation in a compiled program */
    const ba_op *op;
    const void *params;
    int n_in, n_out;
    ba_view *in, *out;         /* data: device pointers */
    void *scratch;
    const char *where;         /* "role op place", for errors */
    int tf32;                  /* products of fp32 tensors may round their factors to 10 bits of mantissa */
    double seconds;            /* profile */
} bai_step;

typedef struct bai_device_ops {
    uint32_t magic, abi, size;
    const char *name;
    void *(*open)(int64_t threads, const char *tier, ba_err *e);
    void (*close)(void *self);
    const char *(*describe)(void *self);
    int (*has)(void *self, const char *what);
    int (*workers)(void *self);                                            /* for op->scratch */
    int (*supports)(void *self, const ba_op *op, ba_err *e);               /* BA_OK or why not */
    void *(*alloc)(void *self, size_t bytes, ba_err *e);                   /* zeroed, 64-byte aligned */
    void (*release)(void *self, void *p);
    int (*put)(void *self, void *to, const void *from, size_t bytes, ba_err *e);  /* host to device */
    /* Starts a put that `take` ends: the block can travel while a step runs. NULL: it cannot. */
    int (*send)(void *self, void *to, const void *from, size_t bytes, ba_err *e);
    int (*take)(void *self, void *to, ba_err *e);
    int (*get)(void *self, void *to, const void *from, size_t bytes, ba_err *e);  /* device to host, after all work before it */
    int (*run)(void *self, bai_step *steps, int64_t n, uint64_t seed, int profile, ba_err *e);
    size_t (*scratch)(void *self, const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out); /* NULL: as op->scratch says */
    void (*forget)(void *self, const bai_step *steps);                     /* these steps will not run again; NULL: nothing is remembered */
    int64_t (*room)(void *self);                                           /* bytes that an arena may have, about; -1: not known */
    int joins;                                                             /* updates that follow each other run as one: they are put together */
} bai_device_ops;

struct ba_device {
    uint32_t tag;
    const bai_device_ops *ops;
    void *self;
    int64_t held, most; /* bytes of its buffers now, and at most since that was asked to begin anew */
};

extern const bai_device_ops bai_device_cpu;
int bai_device_check(const ba_device *d, ba_err *e);
/* All buffers of programs and stores come from and go back through these, so that they are counted. */
void *bai_device_take(ba_device *d, int64_t bytes, ba_err *e);
void bai_device_give(ba_device *d, void *p, int64_t bytes);
/* The CPU device's pool, for tests. */
struct bai_pool *bai_device_cpu_pool(void *self);

#endif
