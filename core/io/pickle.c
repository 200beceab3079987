/* pickle: a stack machine over nodes. Every opcode makes at most a few nodes and the number of nodes is bounded, so is the memory. */
#include "pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 1 << 16, MEMO = 1 << 20 };
enum name_kind { ORDERED = 1, TENSOR_V2, PARAMETER, STORAGE, NOTHING }; /* NOTHING: made of names only, of no interest */

/* Everything that may be named. */
static const struct { const char *name; enum name_kind kind; const char *dtype; } names[] = {
    { "collections OrderedDict", ORDERED, NULL }, { "torch._utils _rebuild_tensor_v2", TENSOR_V2, NULL }, { "torch._utils _rebuild_parameter", PARAMETER, NULL },
    { "torch FloatStorage", STORAGE, "F32" }, { "torch DoubleStorage", STORAGE, "F64" }, { "torch HalfStorage", STORAGE, "F16" },
    { "torch BFloat16Storage", STORAGE, "BF16" }, { "torch LongStorage", STORAGE, "I64" }, { "torch IntStorage", STORAGE, "I32" },
    { "torch ShortStorage", STORAGE, "I16" }, { "torch CharStorage", STORAGE, "I8" }, { "torch ByteStorage", STORAGE, "U8" },
    { "torch BoolStorage", STORAGE, "BOOL" }, { "argparse Namespace", NOTHING, NULL }, { "collections defaultdict", NOTHING, NULL },
    { "torch Size", NOTHING, NULL }, { "torch device", NOTHING, NULL }, { "torch float32", NOTHING, NULL }, { "torch float16", NOTHING, NULL },
    { "torch bfloat16", NOTHING, NULL }, { "numpy dtype", NOTHING, NULL }, { "numpy.core.multiarray scalar", NOTHING, NULL },
    { "numpy._core.multiarray scalar", NOTHING, NULL }, { "_codecs encode", NOTHING, NULL }, { "pathlib PosixPath", NOTHING, NULL },
    { "__builtin__ set", NOTHING, NULL }, { "builtins set", NOTHING, NULL }, { "__builtin__ dict", NOTHING, NULL }, { "builtins dict", NOTHING, NULL },
};
enum { NAMES = sizeof names / sizeof names[0] };

typedef struct machine {
    bai_pickle *p;
    const unsigned char *at, *end, *begin;
    int32_t *stack, depth, room_stack;
    int32_t *memo;           /* [MEMO], grown; -1: nothing */
    int64_t room_memo, next_memo;
    const char *label;
    ba_err *e;
} machine;

static int bad(machine *m, const char *what)
{
    return ba_fail(m->e, BA_EDATA, "%.300s: its pickle is damaged at byte %lld: %s", m->label, (long long)(m->at - m->begin), what);
}

static int grow(void **list, int32_t *room, int32_t n, size_t size, machine *m)
{
    if (n < *room)
        return BA_OK;
    int32_t more = *room ? 2 * *room : 1024;
    void *fresh = realloc(*list, (size_t)more * size);
    if (!fresh)
        return ba_fail(m->e, BA_EMACHINE, "%.300s: no memory for its pickle", m->label);
    *list = fresh;
    *room = more;
    return BA_OK;
}

/* Memory that lives as long as the result. */
static void *keep(machine *m, size_t bytes)
{
    bai_pickle *p = m->p;
    if (grow((void **)&p->own, &p->room_own, p->n_own, sizeof *p->own, m))
        return NULL;
    char *t = malloc(bytes);
    if (!t)
        ba_fail(m->e, BA_EMACHINE, "%.300s: no memory for its pickle", m->label);
    else
        p->own[p->n_own++] = t;
    return t;
}

/* ---- nodes and the stack ---- */
static int32_t fresh(machine *m, int kind)
{
    bai_pickle *p = m->p;
    if (p->n_nodes == BAI_PK_NODES) {
        ba_fail(m->e, BA_EDATA, "%.300s: its pickle describes more than %d things; weights have fewer", m->label, BAI_PK_NODES);
        return -1;
    }
    if (grow((void **)&p->node, &p->room_nodes, p->n_nodes, sizeof *p->node, m))
        return -1;
    p->node[p->n_nodes] = (bai_pk_node){ .kind = kind, .first = -1, .last = -1 };
    return p->n_nodes++;
}

static int push(machine *m, int32_t n)
{
    if (n < 0)
        return BA_EDATA;
    if (m->depth == DEPTH)
        return bad(m, "nested too deep");
    if (grow((void **)&m->stack, &m->room_stack, m->depth, sizeof *m->stack, m))
        return BA_EMACHINE;
    m->stack[m->depth++] = n;
    return BA_OK;
}

static int push_kind(machine *m, int kind) { return push(m, fresh(m, kind)); }

static int32_t pop(machine *m)
{
    if (!m->depth || m->p->node[m->stack[m->depth - 1]].kind == BAI_PK_MARK) {
        bad(m, "a value is missing");
        return -1;
    }
    return m->stack[--m->depth];
}

static bai_pk_node *at(machine *m, int32_t n) { return &m->p->node[n]; }

/* Where the last mark lies in the stack, or -1. */
static int32_t mark(machine *m)
{
    for (int32_t i = m->depth; i-- > 0;)
        if (at(m, m->stack[i])->kind == BAI_PK_MARK)
            return i;
    bad(m, "a mark is missing");
    return -1;
}

static int append(machine *m, int32_t to, int32_t key, int32_t value)
{
    bai_pickle *p = m->p;
    if (p->n_cells == BAI_PK_NODES)
        return ba_fail(m->e, BA_EDATA, "%.300s: its pickle lists more than %d things", m->label, BAI_PK_NODES);
    if (grow((void **)&p->cell, &p->room_cells, p->n_cells, sizeof *p->cell, m))
        return BA_EMACHINE;
    p->cell[p->n_cells] = (bai_pk_cell){ key, value, -1 };
    bai_pk_node *n = at(m, to);
    if (n->last < 0)
        n->first = p->n_cells;
    else
        p->cell[n->last].next = p->n_cells;
    n->last = p->n_cells++;
    return BA_OK;
}

/* ---- reading bytes ---- */
static int64_t number(machine *m, int bytes, int is_signed)
{
    uint64_t v = 0;
    if (m->end - m->at < bytes) {
        bad(m, "cut off");
        return -1;
    }
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)m->at[i] << (8 * i);
    m->at += bytes;
    if (is_signed && bytes && bytes < 8 && v >> (8 * bytes - 1))
        v |= ~UINT64_C(0) << (8 * bytes);
    return (int64_t)v;
}

/* n bytes of text; NULL when there are not so many. */
static const char *bytes_of(machine *m, int64_t n)
{
    if (n < 0 || n > m->end - m->at) {
        bad(m, "something longer than the rest");
        return NULL;
    }
    m->at += n;
    return (const char *)m->at - n;
}

static int text(machine *m, int length_bytes)
{
    int64_t n = m->end - m->at < length_bytes ? -1 : number(m, length_bytes, 0);
    const char *t = bytes_of(m, n);
    int32_t k = t ? fresh(m, BAI_PK_TEXT) : -1;
    if (k < 0)
        return BA_EDATA;
    at(m, k)->text = t;
    at(m, k)->i = n;
    return push(m, k);
}

static int whole(machine *m, int bytes, int is_signed)
{
    int64_t v;
    if (bytes < 0 || bytes > m->end - m->at)
        return bad(m, "cut off");
    if (bytes > 8) { /* a number beyond 64 bits: no size of ours */
        m->at += bytes;
        return push_kind(m, BAI_PK_OTHER);
    }
    v = number(m, bytes, is_signed);
    int32_t k = fresh(m, BAI_PK_INT);
    if (k >= 0)
        at(m, k)->i = v;
    return push(m, k);
}

/* ---- names and calls ---- */
static int name_node(machine *m, const char *module, int64_t a, const char *name, int64_t b)
{
    char full[200];
    snprintf(full, sizeof full, "%.*s %.*s", (int)(a < 90 ? a : 90), module, (int)(b < 90 ? b : 90), name);
    for (int i = 0; i < NAMES; i++)
        if (!strcmp(names[i].name, full)) {
            int32_t k = fresh(m, BAI_PK_NAME);
            if (k >= 0)
                at(m, k)->first = i;
            return push(m, k);
        }
    for (char *c = full; *c; c++)
        *c = *c == ' ' ? '.' : *c < 32 || *c > 126 ? '?' : *c;
    return ba_fail(m->e, BA_EDATA, "%.250s: wants %.120s, which is not among what weight files need; nothing was run. Load it in Python and save its tensors with "
                   "safetensors.torch.save_file", m->label, full);
}

static int global(machine *m)
{
    const char *line[2];
    int64_t n[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *stop = memchr(m->at, '\n', (size_t)(m->end - m->at));
        if (!stop)
            return bad(m, "a name without end");
        line[i] = (const char *)m->at;
        n[i] = stop - m->at;
        m->at = stop + 1;
    }
    return name_node(m, line[0], n[0], line[1], n[1]);
}

static int stack_global(machine *m)
{
    int32_t name = pop(m), module = name < 0 ? -1 : pop(m);
    if (module < 0)
        return BA_EDATA;
    if (at(m, name)->kind != BAI_PK_TEXT || at(m, module)->kind != BAI_PK_TEXT)
        return bad(m, "a name that is no text");
    return name_node(m, at(m, module)->text, at(m, module)->i, at(m, name)->text, at(m, name)->i);
}

/* The members of a list into out; how many there are, `most` at most. */
static int members(machine *m, int32_t list, int32_t *out, int most)
{
    int n = 0;
    if (at(m, list)->kind != BAI_PK_LIST)
        return -1;
    for (int32_t c = at(m, list)->first; c >= 0; c = m->p->cell[c].next) {
        if (n == most)
            return most + 1;
        out[n++] = m->p->cell[c].value;
    }
    return n;
}

/* ('storage', type, key, where, elements) */
static int storage(machine *m)
{
    int32_t id = pop(m), part[5], k;
    if (id < 0)
        return BA_EDATA;
    int n = members(m, id, part, 5);
    if (n != 5 || at(m, part[0])->kind != BAI_PK_TEXT || at(m, part[1])->kind != BAI_PK_NAME || names[at(m, part[1])->first].kind != STORAGE ||
        at(m, part[2])->kind != BAI_PK_TEXT || at(m, part[2])->i > 64 || at(m, part[4])->kind != BAI_PK_INT || at(m, part[4])->i < 0)
        return bad(m, "a storage of an unknown form");
    char *key = keep(m, 65);
    if (!key || (k = fresh(m, BAI_PK_STORAGE)) < 0)
        return BA_EMACHINE;
    memcpy(key, at(m, part[2])->text, (size_t)at(m, part[2])->i);
    key[at(m, part[2])->i] = 0;
    at(m, k)->text = key;
    at(m, k)->dtype = names[at(m, part[1])->first].dtype;
    at(m, k)->i = at(m, part[4])->i;
    return push(m, k);
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks) */
static int32_t tensor(machine *m, int32_t args)
{
    int32_t part[7], size[BAI_PK_RANK], stride[BAI_PK_RANK], k;
    int n = members(m, args, part, 7), rank = n < 6 || n > 7 ? -1 : members(m, part[2], size, BAI_PK_RANK);
    if (rank < 0 || rank > BAI_PK_RANK || members(m, part[3], stride, BAI_PK_RANK) != rank || at(m, part[0])->kind != BAI_PK_STORAGE || at(m, part[1])->kind != BAI_PK_INT)
        return bad(m, "a tensor of an unknown form");
    int64_t *dim = keep(m, (size_t)(2 * BAI_PK_RANK + 1) * sizeof *dim);
    if (!dim || (k = fresh(m, BAI_PK_TENSOR)) < 0)
        return -1;
    dim[0] = rank;
    for (int i = 0; i < rank; i++) {
        if (at(m, size[i])->kind != BAI_PK_INT || at(m, stride[i])->kind != BAI_PK_INT)
            return bad(m, "a tensor whose sizes are no numbers");
        dim[1 + i] = at(m, size[i])->i;
        dim[1 + rank + i] = at(m, stride[i])->i;
    }
    at(m, k)->first = part[0];
    at(m, k)->i = at(m, part[1])->i;
    at(m, k)->dim = dim;
    return k;
}

/* An ordered dict made from a list of pairs. */
static int32_t ordered(machine *m, int32_t args)
{
    int32_t k = fresh(m, BAI_PK_DICT), part[1], pair[2];
    int n = k < 0 ? -1 : members(m, args, part, 1);
    if (n < 0 || n > 1)
        return n < 0 ? -1 : bad(m, "an ordered dict of an unknown form");
    if (n == 1 && at(m, part[0])->kind != BAI_PK_LIST)
        return bad(m, "an ordered dict of an unknown form");
    for (int32_t c = n ? at(m, part[0])->first : -1; c >= 0; c = m->p->cell[c].next)
        if (members(m, m->p->cell[c].value, pair, 2) != 2 || append(m, k, pair[0], pair[1]))
            return bad(m, "an ordered dict of an unknown form");
    return k;
}

static int reduce(machine *m)
{
    int32_t args = pop(m), f = args < 0 ? -1 : pop(m), part[3], k;
    if (f < 0)
        return BA_EDATA;
    if (at(m, args)->kind != BAI_PK_LIST || (at(m, f)->kind != BAI_PK_NAME && at(m, f)->kind != BAI_PK_OTHER))
        return bad(m, "a call of something that is no name");
    switch (at(m, f)->kind == BAI_PK_NAME ? names[at(m, f)->first].kind : NOTHING) {
    case TENSOR_V2: k = tensor(m, args); break;
    case ORDERED: k = ordered(m, args); break;
    case PARAMETER: k = members(m, args, part, 3) == 3 ? part[0] : bad(m, "a parameter of an unknown form"); break;
    default: k = fresh(m, BAI_PK_OTHER); break;
    }
    return push(m, k);
}

/* ---- containers ---- */
static int collect(machine *m) /* everything from the mark on becomes a tuple */
{
    int32_t from = mark(m), k = from < 0 ? -1 : fresh(m, BAI_PK_LIST);
    for (int32_t i = from + 1; k >= 0 && i < m->depth; i++)
        if (append(m, k, -1, m->stack[i]))
            return BA_EDATA;
    if (k < 0)
        return BA_EDATA;
    m->depth = from;
    return push(m, k);
}

static int tuple(machine *m, int n)
{
    int32_t part[3], k = fresh(m, BAI_PK_LIST);
    for (int i = n; k >= 0 && i-- > 0;)
        if ((part[i] = pop(m)) < 0)
            return BA_EDATA;
    for (int i = 0; k >= 0 && i < n; i++)
        if (append(m, k, -1, part[i]))
            return BA_EDATA;
    return push(m, k);
}

/* Everything from the mark on goes into the container below it, `by` at a time. */
static int fill(machine *m, int by)
{
    int32_t from = mark(m), to;
    if (from < 0)
        return BA_EDATA;
    if (from < 1 || (m->depth - from - 1) % by)
        return bad(m, "a list without a place");
    to = m->stack[from - 1];
    for (int32_t i = from + 1; i < m->depth && at(m, to)->kind != BAI_PK_OTHER; i += by) {
        if (at(m, to)->kind != (by == 2 ? BAI_PK_DICT : BAI_PK_LIST))
            return bad(m, "a list for something that is none");
        if (append(m, to, by == 2 ? m->stack[i] : -1, m->stack[i + by - 1]))
            return BA_EDATA;
    }
    m->depth = from;
    return BA_OK;
}

static int fill_one(machine *m, int by)
{
    int32_t value = pop(m), key = value < 0 || by < 2 ? -1 : pop(m);
    if (value < 0 || (by == 2 && key < 0) || !m->depth)
        return bad(m, "a value without a place");
    int32_t to = m->stack[m->depth - 1];
    if (at(m, to)->kind == BAI_PK_OTHER)
        return BA_OK;
    if (at(m, to)->kind != (by == 2 ? BAI_PK_DICT : BAI_PK_LIST))
        return bad(m, "a value for something that holds none");
    return append(m, to, key, value);
}

/* Who writes pickles counts up from 0, and each number takes more than a byte: a small file cannot ask for much memory. */
static int put(machine *m, int64_t i)
{
    if (i < 0 || i >= MEMO || i >= m->at - m->begin || !m->depth)
        return bad(m, "a wrong number of something remembered");
    if (i >= m->room_memo) {
        int64_t room = m->room_memo ? m->room_memo : 1024;
        while (room <= i)
            room *= 2;
        int32_t *more = realloc(m->memo, (size_t)room * sizeof *more);
        if (!more)
            return ba_fail(m->e, BA_EMACHINE, "%.300s: no memory for its pickle", m->label);
        for (int64_t k = m->room_memo; k < room; k++)
            more[k] = -1;
        m->memo = more;
        m->room_memo = room;
    }
    m->memo[i] = m->stack[m->depth - 1];
    return BA_OK;
}

static int recall(machine *m, int64_t i)
{
    return i < 0 || i >= m->room_memo || m->memo[i] < 0 ? bad(m, "something that was not remembered") : push(m, m->memo[i]);
}

/* State for an object: of an ordered dict only notes of PyTorch, of the others nothing that we want. */
static int build(machine *m)
{
    return pop(m) < 0 ? BA_EDATA : m->depth ? BA_OK : bad(m, "a state without an object");
}

/* class, arguments -> object */
static int object(machine *m)
{
    int32_t args = pop(m), class = args < 0 ? -1 : pop(m);
    if (class < 0)
        return BA_EDATA;
    if (at(m, class)->kind != BAI_PK_NAME)
        return bad(m, "an object of something that is no name");
    return push_kind(m, names[at(m, class)->first].kind == ORDERED ? BAI_PK_DICT : BAI_PK_OTHER);
}

static int refuse(machine *m, int op)
{
    m->at--;
    return ba_fail(m->e, BA_EDATA, "%.300s: its pickle holds opcode 0x%02x at byte %lld, which weight files do not need", m->label, op, (long long)(m->at - m->begin));
}

static int one(machine *m, int op)
{
    switch (op) {
    case 0x80: return number(m, 1, 0) < 0 ? BA_EDATA : BA_OK;              /* PROTO */
    case 0x95: return bytes_of(m, 8) ? BA_OK : BA_EDATA;                    /* FRAME: its length says nothing new */
    case '(': return push_kind(m, BAI_PK_MARK);
    case '}': return push_kind(m, BAI_PK_DICT);
    case ')': case ']': return push_kind(m, BAI_PK_LIST);
    case 0x8f: return push_kind(m, BAI_PK_LIST);                            /* EMPTY_SET */
    case 'N': return push_kind(m, BAI_PK_NONE);
    case 0x88: case 0x89: return push_kind(m, BAI_PK_OTHER);                /* True, False */
    case 'G': return bytes_of(m, 8) ? push_kind(m, BAI_PK_REAL) : BA_EDATA;
    case 'K': return whole(m, 1, 0);
    case 'M': return whole(m, 2, 0);
    case 'J': return whole(m, 4, 1);
    case 0x8a: { int64_t n = number(m, 1, 0); return n < 0 ? BA_EDATA : whole(m, (int)n, 1); } /* LONG1 */
    case 'X': case 'T': case 'B': return text(m, 4);
    case 0x8c: case 'U': case 'C': return text(m, 1);
    case 0x8d: return text(m, 8);
    case 'c': return global(m);
    case 0x93: return stack_global(m);
    case 'Q': return storage(m);
    case 'R': return reduce(m);
    case 0x81: return object(m);
    case 'b': return build(m);
    case 't': return collect(m);
    case 0x85: return tuple(m, 1);
    case 0x86: return tuple(m, 2);
    case 0x87: return tuple(m, 3);
    case 'a': return fill_one(m, 1);
    case 's': return fill_one(m, 2);
    case 'e': case 0x90: return fill(m, 1);
    case 'u': return fill(m, 2);
    case 'q': return put(m, number(m, 1, 0));
    case 'r': return put(m, number(m, 4, 0));
    case 0x94: return put(m, m->next_memo++);
    case 'h': return recall(m, number(m, 1, 0));
    case 'j': return recall(m, number(m, 4, 0));
    default: return refuse(m, op);
    }
}

int bai_pickle_read(bai_pickle *p, const unsigned char *data, int64_t bytes, const char *label, ba_err *e)
{
    ba_err own = { 0 };
    machine m = { .p = p, .at = data, .end = data + bytes, .begin = data, .label = label, .e = e ? e : &own };
    int r = BA_OK, done = 0;
    *p = (bai_pickle){ .root = -1 };
    if (bytes > BAI_PK_LONGEST)
        return ba_fail(e, BA_EDATA, "%.300s: a pickle of %lld bytes; at most %d expected", label, (long long)bytes, BAI_PK_LONGEST);
    m.e->code = BA_OK;
    while (!r && !done) {
        if (m.at == m.end)
            r = bad(&m, "no end");
        else if (*m.at == '.')
            done = 1;
        else
            r = one(&m, *m.at++);
    }
    if (!r && (p->root = pop(&m)) < 0)
        r = BA_EDATA;
    free(m.stack);
    free(m.memo);
    return r;
}

void bai_pickle_free(bai_pickle *p)
{
    for (int32_t i = 0; i < p->n_own; i++)
        free(p->own[i]);
    free(p->own);
    free(p->node);
    free(p->cell);
    *p = (bai_pickle){ 0 };
}
