/* plugin: what the files of core/plugin share: judging, probing and loading one file. */
#ifndef BAI_PLUGIN_H
#define BAI_PLUGIN_H

#include <stddef.h>

#include "bauta/plugin.h"

/* judge.c: no code of the plugin runs. `file` is what the sentences call it. */
int bai_plugin_judge(const ba_plugin_desc *d, const char *file, ba_err *e);
const char *bai_kind_name(uint32_t kind);                /* "mask"; "" when there is none of this number */
uint32_t bai_kind_of(const char *name);                  /* 0 when there is none */
int bai_name_good(const char *name);                     /* [a-z0-9_-], 1 to 64 of them */

/* probe.c: loads and judges the file in a child process; BA_OK or BA_EPLUGIN with a sentence. The child has limit_ms to do it. */
int bai_plugin_probe(const char *path, int limit_ms, ba_err *e);

/* load.c: probe, then load into this process. */
const ba_plugin_desc *bai_plugin_load(const char *path, ba_err *e);

#endif
