/* zip: the list of a zip archive whose members are stored as they are, as PyTorch writes them. Nothing is unpacked: a member is a part of the file. */
#ifndef BAI_ZIP_H
#define BAI_ZIP_H

#include "bauta/base.h"

enum { BAI_ZIP_MEMBERS = 1 << 17, BAI_ZIP_LIST = 64 << 20 };

/* head: of its own header; at: of its bytes; locked: packed or encrypted; verified: its bytes fit its CRC-32 */
typedef struct bai_zip_member { const char *name; int64_t head, at, size; uint32_t crc; int locked, verified; } bai_zip_member;
typedef struct bai_zip { char *list; bai_zip_member *member; int64_t count; } bai_zip;           /* ascending by name */

int bai_zip_open(bai_zip *z, int fd, int64_t size, const char *label, ba_err *e);
void bai_zip_close(bai_zip *z);
bai_zip_member *bai_zip_find(const bai_zip *z, const char *name);
/* Holds a member's bytes against the CRC-32 that the archive has of them; once, however often it is asked. */
int bai_zip_verify(bai_zip_member *m, int fd, const char *label, ba_err *e);

#endif
