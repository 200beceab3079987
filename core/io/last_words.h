/* last_words: state.json of a run whose process crashes. */
#ifndef BAI_LAST_WORDS_H
#define BAI_LAST_WORDS_H

#include "run_inner.h"

void bai_last_words_begin(ba_run *r); /* from now on a crash makes this run "failed", with the reason */
void bai_last_words_end(ba_run *r);   /* it is finished, or closed */

#endif
