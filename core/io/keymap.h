/* keymap: names of tensors in other people's files and what they are called here (timm's names). */
#ifndef BAI_KEYMAP_H
#define BAI_KEYMAP_H

#include "bauta/weights.h"

enum { BAI_NAME_ROOM = 640 };
/* What becomes of a tensor of the file: it is taken as it is, not wanted, turned over, or its columns go from the order channel, place to ours. */
enum { BAI_TAKE = 0, BAI_LEAVE = 1, BAI_TURN = 2, BAI_UNFOLD = 3 };

typedef struct bai_keymap {
    unsigned rules;
    char told[80];           /* in words; "" when names are taken as they are */
} bai_keymap;

/* Judges the name of a map, or, for "auto", finds out what the file's names are by those that only one source has. */
int bai_keymap_find(bai_keymap *m, const char *keys, const ba_weights *w, const char *prefix, const ba_store *s, ba_err *e);
/* The name here of `name`, which has lost its prefix; returns what becomes of the tensor. */
int bai_keymap_name(const bai_keymap *m, const char *name, char out[BAI_NAME_ROOM]);
int bai_keymap_loose(const bai_keymap *m);                   /* 1: axes of one element may be left out or added */
int bai_keymap_needless(const bai_keymap *m, const char *ours); /* 1: this tensor of ours may be missing: it begins as what the source means */
int bai_keymap_sums(const bai_keymap *m);                    /* 1: kernels over three channels are summed up for one */
int bai_keymap_spectrograms(const bai_keymap *m);            /* 1: the file's patches are of spectrograms, which differ in columns and not in rows */

#endif
