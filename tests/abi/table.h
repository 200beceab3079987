/* table: one number of the plugin ABI: the size of a struct (field ""), or where a field lies. */
#ifndef ABI_TABLE_H
#define ABI_TABLE_H

#include <stddef.h>

typedef struct abi_row { const char *type, *field; size_t number; } abi_row;

extern const abi_row abi_1_0[], abi_now[], abi_asked_0[]; /* the same rows; type NULL at the end */

#endif
