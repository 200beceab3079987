/* images: what the two files of the plugin share: an open split, its pictures and classes. */
#ifndef IMAGES_H
#define IMAGES_H

#include <string.h>

#define BA_WANT_MINOR 2
#include "bauta/data.h"

enum { MAX_NAME = 4096 };

typedef struct params {
    const char *path, *test;
    int64_t limit, upright;
} params;

typedef struct item { int64_t file; int32_t label; ba_box box; } item;

typedef struct images {
    const ba_host *h;
    const ba_data_host *d;
    const params *p;            /* during open only */
    ba_files *files;            /* NULL: a packed data set */
    ba_pack *pack;
    char top[MAX_NAME];         /* what all names begin with: "" or "cifar10/" */
    char folder[MAX_NAME];      /* of this split, with the slash at its end */
    char **classes;
    int64_t n_classes, class_room;
    item *items;
    int64_t count, room;
    int has_boxes, upright;
} images;

static inline int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

int images_no_memory(images *s, ba_err *e);
int images_is_picture(const char *name);
int images_add(images *s, int64_t file, int64_t label, ba_box box, ba_err *e);
int64_t images_class(const images *s, const char *name, size_t length);    /* its number; -1: none of that name */
item *images_find(images *s, int64_t file, int64_t label);                 /* when all are there and in order; NULL: left out */

/* Tiny ImageNet's layout (tiny_imagenet.c): whether this is it; the pictures of val/; the boxes of training pictures, where files tell them. */
int images_tiny(const images *s);
int images_annotations(images *s, ba_err *e);
int images_boxes(images *s, ba_err *e);

#endif
