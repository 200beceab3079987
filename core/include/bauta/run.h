/* bauta/run.h: a run on disk: what is logged, saved, locked and found again after a kill.
 *
 * A run is a folder:
 *   journal.bin    append-only records with sequence number and CRC-32C: the truth while the run goes
 *   run.h5         a complete, closed HDF5 file made from the journal and renamed into place: for h5py, h5dump, pandas
 *   state.json     running | complete | stopped | failed, and why; `complete` is the only proof of success
 *   run.lock       held (flock) as long as the process lives
 *   checkpoints/   epoch-0007.ckpt, complete and checksummed; `last` and `best` are symbolic links
 *
 * All functions that take a ba_run are called on one thread. What they return as `const char *` is lent by the object. */
#ifndef BAUTA_RUN_H
#define BAUTA_RUN_H

#include "base.h"
#include "graph.h"

#pragma GCC visibility push(default)
/* cdef begin */
typedef struct ba_run ba_run;
typedef struct ba_log ba_log;
typedef struct ba_checkpoint ba_checkpoint;

/* ---- opening and closing ---- */
enum { BA_RUN_NEW = 0,      /* the folder must not hold a run yet */
       BA_RUN_RESUME = 1,   /* go on from the newest complete checkpoint */
       BA_RUN_RESTART = 2 };/* throw the run away that is there, if any, and begin again */
enum { BA_RUN_COMPLETE = 0, BA_RUN_STOPPED = 1, BA_RUN_FAILED = 2 }; /* how a run ends */

/* name: one to eight parts of [A-Za-z0-9._-] (none begins with a dot) joined by '/'; folders are made as needed.
 * reserve: bytes kept free on the disk for one last checkpoint when it fills up (67108864 is a good number; 0 for none).
 * BA_EBUSY when another process has the run, BA_ERESUME when the mode does not fit what is there. */
ba_run *ba_run_open(const char *dir, const char *name, int32_t mode, int64_t reserve, ba_err *e);
/* The last words: a last run.h5 and state.json. `how` is BA_RUN_COMPLETE, _STOPPED or _FAILED; reason may be NULL. */
int ba_run_finish(ba_run *r, int32_t how, int32_t exit_code, const char *reason, ba_err *e);
/* Without ba_run_finish the state stays "running": a run that ended without a word. */
void ba_run_free(ba_run *r);
const char *ba_run_path(const ba_run *r);             /* the folder */
const char *ba_run_notice(const ba_run *r);           /* lines worth telling the user about the opening ("" when none) */

/* ---- logging ---- */
typedef struct ba_field {    /* a column of a table */
    const char *name;        /* [A-Za-z0-9_./-]+, at most 63 bytes */
    int32_t type;            /* BA_I64, BA_F64 or BA_STR */
    int32_t size;            /* BA_STR: bytes kept (1..4096); otherwise 0 */
    const char *unit, *doc;  /* may be NULL */
} ba_field;

/* Declares a table (a stream of rows) and returns its number. On resume the fields must be those of the journal. */
int64_t ba_run_stream(ba_run *r, const char *name, const char *doc, int32_t n, const ba_field *fields, ba_err *e);
/* One row, acknowledged when it returns BA_OK: no kill loses it. Otherwise it is not in the log. Whole numbers only for BA_I64
 * columns; no text columns. */
int ba_run_row(ba_run *r, int64_t stream, const double *values, int32_t n, ba_err *e);
/* The same for any column: i, f or s by the column's type (s NULL: empty; too long: cut at a character). */
int ba_run_row_any(ba_run *r, int64_t stream, const ba_value *values, int32_t n, ba_err *e);
/* A text under /about: "settings", "origins", "script", "versions", "hardware". The last one of a name counts. */
int ba_run_document(ba_run *r, const char *name, const char *text, int64_t bytes, ba_err *e);
/* A row of the built-in table `events`. kind: one word, at most 15 bytes. */
int ba_run_event(ba_run *r, const char *kind, const char *text, ba_err *e);
/* A grey picture (heat map) of the series `name`: /images/NAME is u8 [n, rows, columns]; all of a series have one size. The whole series is in
 * memory and written anew with every run.h5: meant for small ones, one an epoch. */
int ba_run_image(ba_run *r, const char *name, int64_t rows, int64_t columns, const uint8_t *pixels, ba_err *e);

/* Where the run is; call it every step. Every 5 s what is logged is made safe against power loss (fdatasync), at most every 10 s
 * run.h5 and state.json are renewed. Returns 1 when run.h5 was renewed, 0, or a negative code. BA_EMACHINE also when something
 * could be kept only in the reserved space: nothing is lost so far, but the run must save and stop. */
int ba_run_tick(ba_run *r, int64_t epoch, int64_t step, ba_err *e);
int ba_run_snapshot(ba_run *r, ba_err *e);            /* run.h5 now (at the end of an epoch) */
int ba_run_sync(ba_run *r, ba_err *e);                /* fdatasync now */

/* ---- checkpoints ---- */
typedef struct ba_part { const char *name; ba_store *store; } ba_part; /* tensors are saved as NAME/TENSOR */

/* Writes checkpoints/epoch-EPOCH.ckpt: every tensor of the parts to the bit, and the values. Complete or not there at all.
 * epoch: whole epochs done; step: steps done. best != 0: `best` points to it from now on. The newest 3 and the best are kept. */
int ba_run_checkpoint(ba_run *r, int64_t epoch, int64_t step, int32_t best, int32_t n_parts, const ba_part *parts,
                      int32_t n_values, const ba_attr *values, ba_err *e);
/* After BA_RUN_RESUME: the checkpoint to go on from, lent; otherwise NULL. */
const ba_checkpoint *ba_run_resumed(const ba_run *r);

ba_checkpoint *ba_checkpoint_open(const char *path, ba_err *e);       /* every byte is verified before any is parsed */
void ba_checkpoint_free(ba_checkpoint *c);
int64_t ba_checkpoint_epoch(const ba_checkpoint *c);
int64_t ba_checkpoint_step(const ba_checkpoint *c);
/* Fills the store with the tensors of this part; names and shapes must be exactly those of the store, else nothing is written. */
int ba_checkpoint_load(const ba_checkpoint *c, const char *part, ba_store *s, ba_err *e);
int64_t ba_checkpoint_values(const ba_checkpoint *c);
int ba_checkpoint_value(const ba_checkpoint *c, int64_t i, ba_attr *out, ba_err *e);          /* out points into c */
int ba_checkpoint_find(const ba_checkpoint *c, const char *name, ba_attr *out, ba_err *e);    /* 1 found, 0 not there */

/* ---- looking at a run from outside, also while it goes ---- */
typedef struct ba_run_state {
    char state[16];          /* "running", "complete", "stopped", "failed" */
    int64_t epoch, step, pid;
    int32_t exit_code;
    int32_t alive;           /* 1: a process has the run now. "running" and not alive: it ended without a word (killed?) */
    double started, updated; /* seconds since 1970 */
    char host[64], reason[320];
} ba_run_state;
int ba_run_state_read(const char *path, ba_run_state *out, ba_err *e); /* path: the run's folder */

ba_log *ba_log_open(const char *path, ba_err *e);     /* path: the run's folder or a journal.bin */
void ba_log_free(ba_log *l);
int ba_log_update(ba_log *l, ba_err *e);              /* reads what was appended since */
int64_t ba_log_damaged(const ba_log *l);              /* records that were there and do not match their CRC */
int64_t ba_log_torn(const ba_log *l);                 /* bytes at the end that are no record (yet) */
int64_t ba_log_streams(const ba_log *l);
const char *ba_log_stream(const ba_log *l, int64_t stream);         /* name; NULL when out of range */
int64_t ba_log_find(const ba_log *l, const char *name);             /* stream number, or -1 */
int64_t ba_log_rows(const ba_log *l, int64_t stream);
int64_t ba_log_fields(const ba_log *l, int64_t stream);
int ba_log_field(const ba_log *l, int64_t stream, int64_t column, ba_field *out, ba_err *e);
/* Rows from..from+count-1 of a numeric column. */
int ba_log_read(const ba_log *l, int64_t stream, int64_t column, int64_t from, int64_t count, double *out, ba_err *e);
/* A text cell; out gets at most size bytes, closing zero included. */
int ba_log_text(const ba_log *l, int64_t stream, int64_t column, int64_t row, char *out, int64_t size, ba_err *e);
int64_t ba_log_documents(const ba_log *l);
/* The name of document i, NULL when out of range. */
const char *ba_log_document(const ba_log *l, int64_t i, const char **text, int64_t *bytes);
/* Writes an HDF5 file from the log: what `bauta log repair` does with a journal whose run.h5 is gone. */
int ba_log_hdf5(const ba_log *l, const char *path, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
