/* replay: power cuts. Records every file operation below one folder with its data (faults.c tells it), and rebuilds the folder
 * as a disk could hold it after the power went at any moment: of each file, every page by itself is in some state since the
 * file's last flush, and so is its length; of each folder, some of the names made since its last flush are missing (in order).
 * What was flushed is there. */
#ifndef IO_REPLAY_H
#define IO_REPLAY_H

#include <stddef.h>
#include <stdint.h>

void replay_begin(const char *folder);
long replay_end(void);                                  /* number of operations */
void replay_promise(int64_t rows, int64_t saved);       /* what has been acknowledged as safe up to now */
void replay_promised(long n, int64_t *rows, int64_t *saved);
void replay_build(long n, int64_t page, uint64_t seed, const char *to); /* after the first n operations; `to` must not exist */

void replay_created(int dirfd, const char *name, int fd);
void replay_wrote(int fd, int64_t offset, const void *p, size_t n); /* offset -1: where the file stood */
void replay_truncated(int fd, int64_t size);
void replay_flushed(int fd);
void replay_renamed(int dirfd, const char *from, const char *to);
void replay_removed(int dirfd, const char *name);
void replay_linked(int dirfd, const char *name, const char *target);
void replay_folder(int dirfd, const char *name);

#endif
