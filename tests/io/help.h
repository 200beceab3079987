/* help: what the tests of runs and weights share: a store of their own, folders that vanish, and file operations that fail. */
#ifndef IO_HELP_H
#define IO_HELP_H

#include <stdint.h>

#include "bauta/graph.h"

/* ---- a store without a device (fake_store.c implements the ba_store functions) ---- */
ba_store *fake_store(void);

/* ---- folders ---- */
const char *temp_folder(const char *name);    /* a fresh folder; all of them are removed when the process that made them exits */
void remove_tree(const char *path);
void copy_tree(const char *from, const char *to);
int64_t file_size(const char *path);          /* -1 when it is not there */
char *slurp(const char *path, int64_t *size); /* caller frees */
void spill(const char *path, const void *data, int64_t size);
uint64_t noise(uint64_t *state);              /* splitmix64: the same numbers on every machine */

/* ---- faults (faults.c stands in front of the C library's file functions) ---- */
enum fault { FAULT_NONE, FAULT_ONCE, FAULT_FOREVER, FAULT_TORN, FAULT_KILL, FAULT_CRASH };
void fault_arm(enum fault kind, long at, int error); /* the at-th operation from now on (1 is the next) */
long fault_disarm(void);                             /* how many operations there were */
int fault_hit(void);                                 /* whether one has failed since fault_arm */
/* Watches the order of writes, flushes and renames from now on; order_end gives the number of violations. */
void order_begin(void);
long order_end(const char **first);

#endif
