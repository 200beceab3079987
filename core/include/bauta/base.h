/* bauta/base.h: errors, element types and parameter schemas; every other header includes this one.
 *
 * Conventions of the whole public interface:
 *  - A fallible function returns BA_OK or a negative code (constructors: NULL) and takes a caller-owned
 *    ba_err as its last argument. Whoever detects an error writes one sentence into it; whoever passes it on
 *    adds nothing. Nothing is global, nothing jumps.
 *  - Names end in a verb: _new gives an owned object that _free ends; anything else that returns a pointer lends it.
 *  - Sizes and indices are int64_t, never unsigned. Shapes are row-major, outermost axis first.
 *  - What stands between "cdef begin" and "cdef end" is plain declarations, which Lua gets too (ba_declarations in bauta/graph.h).
 */
#ifndef BAUTA_BASE_H
#define BAUTA_BASE_H

#include <stddef.h>
#include <stdint.h>

#define BA_API __attribute__((visibility("default")))

/* cdef begin */
enum { /* status codes; each has one process exit status (in brackets) */
    BA_OK = 0,
    BA_EARG = -1,      /* wrong argument, setting, shape or script [2] */
    BA_EDATA = -2,     /* wrong data file, image, archive or weights [3] */
    BA_EPLUGIN = -3,   /* plugin not found, refused or misbehaving [4] */
    BA_EMACHINE = -4,  /* memory, disk, device or permission [5] */
    BA_ERESUME = -5,   /* a run cannot be continued as asked [6] */
    BA_EBUSY = -6,     /* the run is already running elsewhere [7] */
    BA_ENUMERIC = -7,  /* NaN, infinity or divergence while running [1] */
    BA_EBUG = -8       /* our own mistake [70] */
};

typedef struct ba_err {
    int32_t code;      /* BA_OK or one of the codes above */
    char msg[508];     /* one line, no full stop, no newline; "" when code is BA_OK */
} ba_err;

enum { BA_F32 = 1, BA_BF16 = 2, BA_I32 = 3, BA_U8 = 4 }; /* element types */
enum { BA_MAX_RANK = 5 };
/* initialisers of learned tensors: */
enum { BA_INIT_ZERO = 0, BA_INIT_ONE = 1, BA_INIT_NORMAL = 2, BA_INIT_UNIFORM = 3, /* scale: standard deviation, or bound of +-bound */
       BA_INIT_UNIT = 4 }; /* rows of the last axis of length `scale`, in directions drawn evenly; since ABI 1.1 of plugins */
enum { BA_NO_DECAY = 1,                                                            /* never weight-decayed (tokens, positions) */
       BA_FIXED = 2 };                                                             /* never trained: stays as initialised or loaded; since ABI 1.2 */

typedef struct ba_type {               /* what a tensor is: element type and static shape */
    int32_t dtype, rank;               /* rank 0 is a scalar of one element */
    int64_t dim[5];                    /* dim[rank..4] are 1 */
} ba_type;

enum { BA_BOOL = 1, BA_I64 = 2, BA_F64 = 3, BA_STR = 4, BA_ENUM = 5 }; /* parameter types */

typedef union ba_value { int64_t i; double f; const char *s; } ba_value;

typedef struct ba_param {              /* one row of a parameter schema */
    const char *name, *doc, *unit;     /* unit may be NULL */
    uint32_t type, offset;             /* offset into the owner's params struct */
    ba_value def, min, max;            /* min, max for BA_I64 and BA_F64 (inclusive) */
    const char *const *choices;        /* BA_ENUM: names, NULL at the end; the value is the index */
} ba_param;

typedef struct ba_attr {               /* one given parameter; type tells which member of value is set */
    const char *name;
    uint32_t type;                     /* BA_I64, BA_F64 or BA_STR: how it was written, the schema decides what is wanted */
    ba_value value;
} ba_attr;
/* cdef end */

/* Fills e (may be NULL) and returns code. */
BA_API int ba_fail(ba_err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The field's C type is checked: a double field declared as an integer does not compile.
 * BOOL, I64 and ENUM fields are int64_t, F64 double, STR const char * (a copy that lives as long as the params). */
#define BA_AT(T, fld, ctype) (uint32_t)(offsetof(T, fld) + 0 * sizeof(char[_Generic(((T *)0)->fld, ctype: 1, default: -1)]))
#define BA_FLOAT(T, fld, d_, lo_, hi_, unit_, text) { .name = #fld, .doc = text, .unit = unit_, .type = BA_F64, \
    .offset = BA_AT(T, fld, double), .def = { .f = d_ }, .min = { .f = lo_ }, .max = { .f = hi_ } }
#define BA_INT(T, fld, d_, lo_, hi_, unit_, text) { .name = #fld, .doc = text, .unit = unit_, .type = BA_I64, \
    .offset = BA_AT(T, fld, int64_t), .def = { .i = d_ }, .min = { .i = lo_ }, .max = { .i = hi_ } }
#define BA_FLAG(T, fld, d_, text) { .name = #fld, .doc = text, .type = BA_BOOL, \
    .offset = BA_AT(T, fld, int64_t), .def = { .i = d_ } }
#define BA_CHOICE(T, fld, d_, set_, text) { .name = #fld, .doc = text, .type = BA_ENUM, \
    .offset = BA_AT(T, fld, int64_t), .def = { .i = d_ }, .choices = set_ }
#define BA_STRING(T, fld, d_, text) { .name = #fld, .doc = text, .type = BA_STR, \
    .offset = BA_AT(T, fld, const char *), .def = { .s = d_ } }
#define BA_LIST(...) (const ba_param[]){ __VA_ARGS__ }
#define BA_PARAMS(T, ...) .params_size = sizeof(T), .params = BA_LIST(__VA_ARGS__), \
    .nparams = sizeof(BA_LIST(__VA_ARGS__)) / sizeof(ba_param)

/* Given parameters, written in place: BA_ATTRS(BA_I("heads", 3), BA_F("rate", .1)) gives "count, array". */
#define BA_I(n, v) { .name = (n), .type = BA_I64, .value = { .i = (v) } }
#define BA_F(n, v) { .name = (n), .type = BA_F64, .value = { .f = (v) } }
#define BA_S(n, v) { .name = (n), .type = BA_STR, .value = { .s = (v) } }
#define BA_ATTRS(...) (int)(sizeof((const ba_attr[]){ __VA_ARGS__ }) / sizeof(ba_attr)), (const ba_attr[]){ __VA_ARGS__ }

#endif
