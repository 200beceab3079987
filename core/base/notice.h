/* notice: lines worth telling the user while something goes on; see ba_notice_to of bauta/system.h. */
#ifndef BAI_NOTICE_H
#define BAI_NOTICE_H

void bai_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
