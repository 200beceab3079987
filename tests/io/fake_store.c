/* fake_store: the ba_store functions in plain memory, so that what reads and writes stores is tested without an engine. */
#include <stdlib.h>
#include <string.h>

#include "bauta/op.h"
#include "help.h"

struct ba_store { int64_t count; struct { char *name; ba_type type; float *v; } t[256]; };

ba_store *fake_store(void) { return calloc(1, sizeof(ba_store)); }

void ba_store_free(ba_store *s)
{
    for (int64_t i = 0; s && i < s->count; i++) {
        free(s->t[i].name);
        free(s->t[i].v);
    }
    free(s);
}

int64_t ba_store_count(const ba_store *s) { return s->count; }
const char *ba_store_name(const ba_store *s, int64_t i) { return i >= 0 && i < s->count ? s->t[i].name : NULL; }

int64_t ba_store_find(const ba_store *s, const char *name)
{
    for (int64_t i = 0; i < s->count; i++)
        if (!strcmp(s->t[i].name, name))
            return i;
    return -1;
}

int64_t ba_store_add(ba_store *s, const char *name, int32_t rank, const int64_t *dim, int32_t init, double scale,
    int32_t flags, ba_err *e)
{
    (void)init, (void)flags;
    if (s->count == 256)
        return ba_fail(e, BA_EARG, "store is full");
    ba_type t = { BA_F32, rank, { 1, 1, 1, 1, 1 } };
    for (int k = 0; k < rank; k++)
        t.dim[k] = dim[k];
    int64_t n = ba_type_count(&t);
    s->t[s->count].name = strdup(name);
    s->t[s->count].type = t;
    s->t[s->count].v = malloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
        s->t[s->count].v[i] = (float)(scale * (double)(i + 1) + (double)s->count);
    return s->count++;
}

int ba_store_type(const ba_store *s, int64_t i, ba_type *t, ba_err *e)
{
    if (i < 0 || i >= s->count)
        return ba_fail(e, BA_EARG, "store: %lld", (long long)i);
    *t = s->t[i].type;
    return BA_OK;
}

int ba_store_read(const ba_store *s, int64_t i, float *out, int64_t count, ba_err *e)
{
    if (i < 0 || i >= s->count || count != ba_type_count(&s->t[i].type))
        return ba_fail(e, BA_EARG, "store: %lld", (long long)i);
    memcpy(out, s->t[i].v, (size_t)count * sizeof *out);
    return BA_OK;
}

int ba_store_write(ba_store *s, int64_t i, const float *in, int64_t count, ba_err *e)
{
    if (i < 0 || i >= s->count || count != ba_type_count(&s->t[i].type))
        return ba_fail(e, BA_EARG, "store: %lld", (long long)i);
    memcpy(s->t[i].v, in, (size_t)count * sizeof *in);
    return BA_OK;
}
