/* lock: one process at a time per run; and what the run says about itself in state.json. */
#ifndef BAI_LOCK_H
#define BAI_LOCK_H

#include "bauta/run.h"

/* Takes run.lock of the folder for the life of the descriptor it returns; BA_EBUSY and who has it, or another negative code. */
int bai_lock(int dirfd, const char *path, ba_err *e);
int bai_lock_held(int dirfd);                        /* 1 when some process has it, 0, or -1 */

int bai_state_write(int dirfd, const char *path, const ba_run_state *s, ba_err *e);
int bai_state_read(int dirfd, const char *path, ba_run_state *out, ba_err *e);

#endif
