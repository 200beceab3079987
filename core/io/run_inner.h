/* run_inner: what the files of a run share: opening (run.c), logging (run_log.c), saving (run_save.c). */
#ifndef BAI_RUN_INNER_H
#define BAI_RUN_INNER_H

#include <limits.h>

#include "../base/clock.h"
#include "checkpoint.h"
#include "lock.h"
#include "log.h"

enum { BAI_TAG_RUN = 0x52554e21, BAI_KEEP = 3 };

typedef struct bai_found {       /* a checkpoint file in the folder */
    char name[NAME_MAX + 1];
    bai_block block;
} bai_found;

struct ba_run {
    uint32_t tag;
    char path[1024];
    int dirfd, savefd, lockfd;   /* the folder, its checkpoints/, its lock */
    bai_journal *journal;
    ba_log *log;                 /* of the journal as far as the last snapshot */
    bai_table *table;            /* declared streams; number i has id BAI_FIRST_STREAM + i */
    int64_t tables, events;
    uint8_t *row;                /* the row being packed */
    size_t row_room;
    ba_checkpoint *resumed;
    ba_run_state state;
    double synced, drawn, cost;  /* monotonic seconds: last fdatasync, last run.h5, and what that took */
    int reserve, finished;       /* reserve: its file is there */
    char notice[1500];
    char full[508];              /* why the reserved space was needed; "" as long as it was not */
};

int bai_run_check(const ba_run *r, ba_err *e);
void bai_run_notice(ba_run *r, const char *line);
/* Frees the reserved space, if there still is some; 1 when something may be tried once more. */
int bai_run_make_room(ba_run *r);
void bai_run_full(ba_run *r, const ba_err *first);    /* what bai_run_make_room has saved, to be told by the next ba_run_tick */
/* Puts into the log, if need be into the reserved space. */
int bai_run_append(ba_run *r, uint32_t stream, const void *p, size_t n, ba_err *e);
int bai_run_adopt(ba_run *r, ba_err *e);              /* takes over the tables of the log, after a resume */
int bai_run_here(const ba_run *r, ba_err *e);         /* whether the folder still has its name */

/* Checkpoints of this run, newest first. Files whose first block is damaged come with the notice and are set aside. */
int64_t bai_save_list(ba_run *r, bai_found **out, ba_err *e);
int bai_save_clear(ba_run *r, ba_err *e);              /* removes them all, and the links */
int bai_save_find(ba_run *r, uint64_t run, ba_err *e);/* the newest that verifies, into r->resumed */

#endif
