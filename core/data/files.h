/* files: the list of files behind a path, be it a folder, a tar or a gzipped tar. Filled once, constant afterwards. */
#ifndef BAI_DATA_FILES_H
#define BAI_DATA_FILES_H

#include "bauta/data.h"

typedef struct bai_entry {
    int64_t name;    /* where its name begins in `names` */
    int64_t size;    /* bytes; 0 for folders */
    int64_t offset;  /* in the tar */
    int64_t stamp;   /* folder: time of change in ns; tar: 0 */
} bai_entry;

struct ba_files {
    char *path;      /* as the user gave it, for messages */
    int fd;          /* the folder, or the tar */
    int is_tar;
    int64_t size, stamp; /* of the tar when it was opened */
    char *names;
    int64_t names_used, names_room;
    bai_entry *entries;
    int64_t count, room;
};

enum { BAI_MAX_NAME = 4095 };

ba_files *bai_files_open(const char *path, ba_err *e);
void bai_files_close(ba_files *f);
int64_t bai_files_count(const ba_files *f);
const char *bai_file_name(const ba_files *f, int64_t i);
int64_t bai_file_size(const ba_files *f, int64_t i);
int64_t bai_file_find(const ba_files *f, const char *name);
int bai_file_get(const ba_files *f, int64_t i, int64_t offset, int64_t bytes, void *out, ba_err *e);
void bai_file_label(const ba_files *f, int64_t i, char *out, int64_t bytes);

/* For those who fill the list. */
int bai_files_add(ba_files *f, const char *name, const bai_entry *entry, ba_err *e);
int bai_folder_list(ba_files *f, ba_err *e);  /* f->fd is the folder */
int bai_tar_list(ba_files *f, ba_err *e);     /* f->fd is the tar, f->size its size */
int bai_gunzip(const char *path, int fd, int64_t size, int64_t stamp, ba_err *e); /* fd of the unpacked file, or negative */

#endif
