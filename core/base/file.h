/* file: the only way bytes get under a final name, and reading of whole regular files.
 * The bai_put functions answer 0, or -1 with errno; nothing under the final name has changed when they fail. */
#ifndef BAI_FILE_H
#define BAI_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bauta/base.h"

/* A file on its way: written under a temporary name, flushed, then renamed. */
typedef struct bai_put {
    int dirfd, fd;           /* dirfd is borrowed */
    char tmp[NAME_MAX + 1], name[NAME_MAX + 1];
} bai_put;

int bai_put_begin(bai_put *p, int dirfd, const char *name);
int bai_put_write(bai_put *p, const void *data, size_t n);              /* appends */
int bai_put_at(bai_put *p, int64_t offset, const void *data, size_t n); /* writes over what is there */
int bai_put_end(bai_put *p);   /* flush, rename, flush the folder; p is spent whatever it answers */
void bai_put_drop(bai_put *p); /* as if it had never begun; keeps errno */

int bai_file_put(int dirfd, const char *name, const void *data, size_t n);
int bai_file_link(int dirfd, const char *name, const char *target);     /* a symbolic link, switched by rename */
int bai_is_temporary(const char *name);                                 /* whether bai_put_begin makes such names */

int bai_write_all(int fd, const void *data, size_t n);                  /* at the file position */
int bai_pwrite_all(int fd, const void *data, size_t n, int64_t offset);
int bai_pread_all(int fd, void *data, size_t n, int64_t offset);        /* -1 with errno 0 when the file ends before */

/* Opens a regular file for reading, without hanging on a pipe or a device. label is what messages call it. */
int bai_file_open(int dirfd, const char *path, const char *label, int64_t *size, ba_err *e); /* fd, or a negative BA_E code */
/* A whole regular file of at most `limit` bytes, with a zero behind it; the caller frees. */
char *bai_file_read(int dirfd, const char *path, const char *label, int64_t limit, int64_t *size, ba_err *e);
/* Opens the folder a path lies in and points *base at the last part. fd, or -1 with errno. */
int bai_folder_of(const char *path, const char **base);
int bai_folder_make(int dirfd, const char *name);                       /* mkdir, durable; fine when it is there */

#endif
