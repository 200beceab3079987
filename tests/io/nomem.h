/* nomem: put in front of every source of core/io for test_nomem: allocations that can be counted and made to fail. */
#ifndef IO_NOMEM_H
#define IO_NOMEM_H

#include <stdlib.h>
#include <string.h>

void *nomem_malloc(size_t n);
void *nomem_calloc(size_t n, size_t size);
void *nomem_realloc(void *p, size_t n);
char *nomem_strdup(const char *s);
void nomem_free(void *p);

#undef strdup
#define malloc(n) nomem_malloc(n)
#define calloc(n, size) nomem_calloc(n, size)
#define realloc(p, n) nomem_realloc(p, n)
#define strdup(s) nomem_strdup(s)
#define free(p) nomem_free(p)

#endif
