/* safetensors: parsing the header. JSON of one fixed form (object of {dtype, shape, data_offsets}, strings under
 * __metadata__), so no tree is built: depth is bounded by the grammar, memory by the number of tensors. Strings are
 * decoded in place; an escape is never shorter than what it stands for. */
#include "safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const bai_st_dtype dtypes[] = {
    { "F32", 4, 1 }, { "F16", 2, 1 }, { "BF16", 2, 1 }, { "F64", 8, 1 }, { "I64", 8, 0 }, { "I32", 4, 0 }, { "I16", 2, 0 },
        { "I8", 1, 0 },
    { "U64", 8, 0 }, { "U32", 4, 0 }, { "U16", 2, 0 }, { "U8", 1, 0 }, { "BOOL", 1, 0 }, { "F8_E4M3", 1, 0 }, { "F8_E5M2", 1, 0 },
};

typedef struct parser {
    bai_st_header *h;
    char *p, *end;           /* end[0] is 0 */
    int64_t entries, notes;  /* room */
    const char *label;
    ba_err *e;
} parser;

static int bad(parser *s, const char *what)
{
    return ba_fail(s->e, BA_EDATA, "%.200s: header byte %lld: %s", s->label, (long long)(s->p - s->h->text), what);
}

static void blanks(parser *s)
{
    while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')
        s->p++;
}

/* Steps over c, if it is the next character after blanks. */
static int next_is(parser *s, char c)
{
    blanks(s);
    if (s->p >= s->end || *s->p != c)
        return 0;
    s->p++;
    return 1;
}

static int hex4(const char *p, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 32, d = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return 0;
        *out = *out * 16 + (uint32_t)d;
    }
    return 1;
}

static char *put_utf8(char *o, uint32_t c)
{
    if (c < 0x80)
        *o++ = (char)c;
    else if (c < 0x800)
        *o++ = (char)(0xc0 | c >> 6), *o++ = (char)(0x80 | (c & 63));
    else if (c < 0x10000)
        *o++ = (char)(0xe0 | c >> 12), *o++ = (char)(0x80 | (c >> 6 & 63)), *o++ = (char)(0x80 | (c & 63));
    else
        *o++ = (char)(0xf0 | c >> 18), *o++ = (char)(0x80 | (c >> 12 & 63)),
        *o++ = (char)(0x80 | (c >> 6 & 63)), *o++ = (char)(0x80 | (c & 63));
    return o;
}

/* The escape behind a backslash; NULL when it is none. s->p moves behind it. */
static char *escape(parser *s, char *o)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = s->p < s->end && *s->p ? strchr(from, *s->p) : NULL;
    if (at) {
        s->p++;
        *o++ = to[at - from];
        return o;
    }
    uint32_t c, low;
    if (*s->p != 'u' || s->end - s->p < 5 || !hex4(s->p + 1, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000))
        return NULL;
    s->p += 5;
    if (c >= 0xd800 && c < 0xdc00) {
        if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' || !hex4(s->p + 2, &low) || low < 0xdc00 || low >= 0xe000)
            return NULL;
        s->p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(o, c);
}

/* Length of the valid UTF-8 character at p, 0 when there is none. */
static int utf8_length(const char *p, const char *end)
{
    const unsigned char *c = (const unsigned char *)p;
    int n = c[0] < 0x80 ? 1 : c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 : c[0] >= 0xf0 && c[0] < 0xf5 ? 4 : 0;
    if (!n || end - p < n)
        return 0;
    for (int i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4
        && c[1] >= 0x90))
        return 0;
    return n;
}

/* A string, decoded where it stands and closed with a zero; *length may be NULL. */
static const char *string(parser *s, int64_t *length)
{
    if (!next_is(s, '"')) {
        bad(s, "a string expected");
        return NULL;
    }
    char *start = s->p, *o = s->p;
    while (s->p < s->end && *s->p != '"') {
        int n = 1;
        if (*s->p == '\\') {
            s->p++;
            if (!(o = escape(s, o))) {
                bad(s, "bad escape in a string");
                return NULL;
            }
            continue;
        }
        if ((unsigned char)*s->p < 0x20 || !(n = utf8_length(s->p, s->end))) {
            bad(s, n ? "control character in a string" : "not UTF-8");
            return NULL;
        }
        memmove(o, s->p, (size_t)n);
        o += n;
        s->p += n;
    }
    if (s->p >= s->end) {
        bad(s, "string without an end");
        return NULL;
    }
    s->p++;
    *o = 0;
    if (length)
        *length = o - start;
    return start;
}

static int number(parser *s, int64_t *out)
{
    blanks(s);
    if (*s->p < '0' || *s->p > '9' || (*s->p == '0' && s->p[1] >= '0' && s->p[1] <= '9'))
        return bad(s, "a whole number expected");
    for (*out = 0; *s->p >= '0' && *s->p <= '9'; s->p++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *s->p - '0', out))
            return bad(s, "number beyond 2^63");
    return *s->p == '.' || (*s->p | 32) == 'e' ? bad(s, "a whole number expected") : BA_OK;
}

/* [a, b, ...] of at most `most` numbers; returns how many, or a negative code. */
static int numbers(parser *s, int64_t *out, int most, const char *what)
{
    int n = 0;
    if (!next_is(s, '['))
        return bad(s, "'[' expected");
    if (next_is(s, ']'))
        return 0;
    do {
        if (n == most)
            return bad(s, what);
        if (number(s, out + n++))
            return BA_EDATA;
    } while (next_is(s, ','));
    return next_is(s, ']') ? n : bad(s, "']' expected");
}

const bai_st_dtype *bai_st_dtype_named(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(name, dtypes[i].name))
            return &dtypes[i];
    return NULL;
}

static int read_dtype(parser *s, bai_st_entry *t)
{
    const char *name = string(s, NULL);
    if (!name)
        return BA_EDATA;
    t->dtype = bai_st_dtype_named(name);
    return t->dtype ? BA_OK : ba_fail(s->e, BA_EDATA, "%.200s: %.150s: unknown dtype '%.20s'; F32, F16, BF16 or F64 expected",
        s->label, t->name, name);
}

/* {"dtype": .., "shape": .., "data_offsets": ..}, in any order, each once. */
static int entry(parser *s, bai_st_entry *t)
{
    int64_t at[2];
    int seen = 0, n;
    if (!next_is(s, '{'))
        return bad(s, "'{' expected");
    do {
        const char *key = string(s, NULL);
        if (!key)
            return BA_EDATA;
        int which = !strcmp(key, "dtype") ? 1 : !strcmp(key, "shape") ? 2 : !strcmp(key, "data_offsets") ? 4 : 0;
        if (!which || (seen & which))
            return ba_fail(s->e, BA_EDATA, "%.200s: %.150s: %s '%.40s'", s->label, t->name,
                which ? "two entries" : "unknown entry", key);
        seen |= which;
        if (!next_is(s, ':'))
            return bad(s, "':' expected");
        if (which == 1 ? read_dtype(s, t) : which == 2 ? (t->rank = numbers(s, t->dim, BAI_ST_RANK, "more than 8 dimensions")) < 0
                       : (n = numbers(s, at, 2, "more than two data_offsets")) < 0 || (n < 2 && bad(s,
                           "two data_offsets expected")))
            return BA_EDATA;
    } while (next_is(s, ','));
    if (!next_is(s, '}'))
        return bad(s, "'}' expected");
    if (seen != 7)
        return ba_fail(s->e, BA_EDATA, "%.200s: %.150s: lacks %s", s->label, t->name,
            !(seen & 1) ? "dtype" : !(seen & 2) ? "shape" : "data_offsets");
    t->begin = at[0];
    t->end = at[1];
    return BA_OK;
}

/* Room for one more element of an array that never holds more than `most`. */
static int grow(parser *s, void **array, size_t element, int64_t count, int64_t *room, int64_t most, const char *what)
{
    if (count >= most)
        return ba_fail(s->e, BA_EDATA, "%.200s: more than %lld %s", s->label, (long long)most, what);
    if (count < *room)
        return BA_OK;
    int64_t more = *room ? 2 * *room : 64;
    void *p = realloc(*array, (size_t)more * element);
    if (!p)
        return ba_fail(s->e, BA_EMACHINE, "%.200s: no memory for its header", s->label);
    *array = p;
    *room = more;
    return BA_OK;
}

static int metadata(parser *s)
{
    bai_st_header *h = s->h;
    if (h->note)
        return bad(s, "two __metadata__");
    if (!next_is(s, '{'))
        return bad(s, "__metadata__ must hold strings by name: '{' expected");
    if (grow(s, (void **)&h->note, sizeof *h->note, 0, &s->notes, BAI_ST_NOTES, "notes"))
        return BA_EMACHINE;
    if (next_is(s, '}'))
        return BA_OK;
    do {
        if (grow(s, (void **)&h->note, sizeof *h->note, h->notes, &s->notes, BAI_ST_NOTES, "notes"))
            return BA_EDATA;
        ba_note *n = h->note + h->notes;
        if (!(n->key = string(s, NULL)))
            return BA_EDATA;
        if (!next_is(s, ':'))
            return bad(s, "':' expected");
        if (!(n->value = string(s, NULL)))
            return BA_EDATA;
        h->notes++;
    } while (next_is(s, ','));
    return next_is(s, '}') ? BA_OK : bad(s, "'}' expected");
}

static int member(parser *s)
{
    int64_t length;
    const char *name = string(s, &length);
    if (!name)
        return BA_EDATA;
    if (!next_is(s, ':'))
        return bad(s, "':' expected");
    if (!strcmp(name, "__metadata__"))
        return metadata(s);
    if (length < 1 || length > BAI_ST_NAME)
        return ba_fail(s->e, BA_EDATA, "%.200s: a tensor's name has %lld bytes; 1 to %d expected", s->label, (long long)length,
            BAI_ST_NAME);
    if (grow(s, (void **)&s->h->entry, sizeof *s->h->entry, s->h->count, &s->entries, BAI_ST_TENSORS, "tensors"))
        return BA_EDATA;
    bai_st_entry *t = s->h->entry + s->h->count;
    *t = (bai_st_entry){ .name = name };
    if (entry(s, t))
        return BA_EDATA;
    s->h->count++;
    return BA_OK;
}

static int members(parser *s)
{
    if (*s->p != '{')
        return bad(s, "a header begins with '{'");
    s->p++;
    if (!next_is(s, '}')) {
        do
            if (member(s))
                return BA_EDATA;
        while (next_is(s, ','));
        if (!next_is(s, '}'))
            return bad(s, "'}' expected");
    }
    blanks(s);
    return s->p == s->end ? BA_OK : bad(s, "something follows the closing '}'");
}

static int by_name(const void *a, const void *b) { return strcmp(((const bai_st_entry *)a)->name,
    ((const bai_st_entry *)b)->name); }
static int by_key(const void *a, const void *b) { return strcmp(((const ba_note *)a)->key, ((const ba_note *)b)->key); }

static int by_place(const void *a, const void *b)
{
    const bai_st_entry *x = *(bai_st_entry *const *)a, *y = *(bai_st_entry *const *)b;
    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin) : (x->end > y->end) - (x->end < y->end);
}

static int judge_size(bai_st_entry *t, int64_t data, const char *label, ba_err *e)
{
    int64_t bytes = t->dtype->bytes;
    t->count = 1;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(bytes, t->dim[i], &bytes) || __builtin_mul_overflow(t->count, t->dim[i], &t->count))
            return ba_fail(e, BA_EDATA, "%.200s: %.150s: more than 2^63 bytes by its shape", label, t->name);
    if (t->begin > t->end)
        return ba_fail(e, BA_EDATA, "%.200s: %.150s: offsets %lld..%lld decrease", label, t->name, (long long)t->begin,
            (long long)t->end);
    if (t->end > data)
        return ba_fail(e, BA_EDATA, "%.200s: %.150s: offsets %lld..%lld lie beyond the %lld bytes of data", label, t->name,
            (long long)t->begin, (long long)t->end, (long long)data);
    if (bytes != t->end - t->begin)
        return ba_fail(e, BA_EDATA, "%.200s: %.150s: %s of its shape takes %lld bytes, its offsets span %lld", label, t->name,
            t->dtype->name, (long long)bytes, (long long)(t->end - t->begin));
    return BA_OK;
}

/* The tensors cover the data exactly: no holes, no overlap, nothing behind the last. */
static int judge_cover(const bai_st_header *h, int64_t data, const char *label, ba_err *e)
{
    bai_st_entry **order = malloc((size_t)(h->count + 1) * sizeof *order);
    int64_t at = 0, i;
    int r = BA_OK;
    if (!order)
        return ba_fail(e, BA_EMACHINE, "%.200s: no memory for its header", label);
    for (i = 0; i < h->count; i++)
        order[i] = h->entry + i;
    qsort(order, (size_t)h->count, sizeof *order, by_place);
    for (i = 0; i < h->count && !r; i++) {
        const bai_st_entry *t = order[i];
        if (t->begin < at)
            r = ba_fail(e, BA_EDATA, "%.200s: %.120s: begins at byte %lld, inside %.120s, which ends at %lld", label, t->name,
                (long long)t->begin, order[i - 1]->name, (long long)at);
        else if (t->begin > at)
            r = ba_fail(e, BA_EDATA, "%.200s: %.150s: a hole before it: bytes %lld..%lld belong to no tensor", label, t->name,
                (long long)at, (long long)t->begin);
        at = t->end;
    }
    if (!r && at != data)
        r = ba_fail(e, BA_EDATA, "%.200s: %lld bytes of data, the last tensor ends at %lld", label, (long long)data,
            (long long)at);
    free(order);
    return r;
}

static int judge(bai_st_header *h, int64_t data, const char *label, ba_err *e)
{
    for (int64_t i = 0; i < h->count; i++)
        if (judge_size(h->entry + i, data, label, e))
            return BA_EDATA;
    if (h->count)
        qsort(h->entry, (size_t)h->count, sizeof *h->entry, by_name);
    for (int64_t i = 1; i < h->count; i++)
        if (!strcmp(h->entry[i - 1].name, h->entry[i].name))
            return ba_fail(e, BA_EDATA, "%.200s: %.200s: two tensors of this name", label, h->entry[i].name);
    if (h->notes)
        qsort(h->note, (size_t)h->notes, sizeof *h->note, by_key);
    for (int64_t i = 1; i < h->notes; i++)
        if (!strcmp(h->note[i - 1].key, h->note[i].key))
            return ba_fail(e, BA_EDATA, "%.200s: __metadata__: two entries '%.100s'", label, h->note[i].key);
    return judge_cover(h, data, label, e);
}

int bai_st_parse(bai_st_header *h, char *text, int64_t length, int64_t data, const char *label, ba_err *e)
{
    *h = (bai_st_header){ .text = text };
    parser s = { .h = h, .p = text, .end = text + length, .label = label, .e = e };
    ba_err mine;
    if (!s.e)
        s.e = &mine;
    s.e->code = BA_EDATA;
    if (members(&s) || judge(h, data, label, s.e)) {
        int code = s.e->code;
        bai_st_clear(h);
        return code;
    }
    return BA_OK;
}

void bai_st_clear(bai_st_header *h)
{
    free(h->text);
    free(h->entry);
    free(h->note);
    bai_zip_close(&h->zip);
    *h = (bai_st_header){ 0 };
}
