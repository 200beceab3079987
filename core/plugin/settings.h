/* settings: what the other files of core/plugin need of a ba_params. */
#ifndef BAI_SETTINGS_H
#define BAI_SETTINGS_H

#include "bauta/model.h"
#include "bauta/plugin.h"

int bai_params_check(const ba_params *p, ba_err *e);

#endif
