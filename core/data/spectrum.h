/* spectrum: from a sound to the log-mel energies that the Audio Spectrogram Transformer sees. */
#ifndef BAI_DATA_SPECTRUM_H
#define BAI_DATA_SPECTRUM_H

#include <stdint.h>

#include "bauta/base.h"

enum { BAI_SOUND_RATE = 16000, BAI_MAX_SOUND = 1 << 26 }; /* samples a second; of a sound */

/* How many samples n of one rate become at another: all whose time lies before the end of the last. */
int64_t bai_resampled(int64_t n, int64_t from, int64_t to);
/* Fills out [bai_resampled(n, from, to)]. Band-limited; a function of its arguments only. */
int bai_resample(const float *x, int64_t n, int64_t from, int64_t to, float *out, ba_err *e);
/* Fills out [bins, frames], as ba_data_host.spectrum says. */
int bai_spectrum(const float *sound, int64_t n, int64_t rate, int64_t bins, int64_t frames, float *out, ba_err *e);

#endif
