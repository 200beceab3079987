/* params: from what was written (name = value) to a checked struct, by a schema. One code for operations, plugins and scripts. */
#ifndef BAI_PARAMS_H
#define BAI_PARAMS_H

#include "bauta/base.h"

/* Fills the params struct of a schema of n rows: defaults first, then what is given. `what` names the owner in messages.
 * Strings are borrowed: from the schema or from attr. */
int bai_params_fill(const ba_param *rows, int n, void *params, int n_attr, const ba_attr *attr, const char *what, ba_err *e);

/* The same, but all errors are found: the first is in e, each is a line of the report (20 at most, then a count). */
typedef struct bai_report { char *text; size_t size, used; int count; } bai_report; /* text may be NULL */
int bai_params_collect(const ba_param *rows, int n, void *params, int n_attr, const ba_attr *attr, const char *what, bai_report *report, ba_err *e);

/* The same from a text "name=value,name=value"; a value may be "quoted". Strings are put into keep (at least as long as text + 1). */
int bai_params_parse(const ba_param *rows, int n, void *params, const char *text, char *keep, const char *what, ba_err *e);

/* Only the cutting: how many were given, or a negative code. */
enum { BAI_MOST_GIVEN = 64 };
int bai_params_cut(const char *text, char *keep, ba_attr attr[BAI_MOST_GIVEN], const char *what, ba_err *e);

#endif
