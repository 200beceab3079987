/* manners: what a plugin must leave as it was: rounding, locale, working folder, signal handlers, the three standard descriptors. */
#ifndef BAI_MANNERS_H
#define BAI_MANNERS_H

#include <signal.h>

#include "bauta/base.h"

typedef struct bai_manners {
    int rounding;
    unsigned control;                /* of the SSE unit: flush to zero and the like */
    char locale[256], folder[1024];
    struct sigaction term, segv;
    int open;                        /* bit i: descriptor i */
} bai_manners;

void bai_manners_note(bai_manners *m);
/* Puts back what can be put back; BA_EPLUGIN with a sentence, also over an error that is in e already, when something was changed. */
int bai_manners_judge(const bai_manners *m, const char *function, ba_err *e);

#endif
