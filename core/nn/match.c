/* match: the same places of student and teacher, and which block of the one is compared with which of the other.
 *
 * A masked model has tokens of the kept patches only; the other one's are gathered with the same index, so that token i of both is one
 * place of the picture. Where the grids differ, the student's map is first resized to the teacher's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/op.h"
#include "features.h"
#include "short.h"

enum { STUDENT, TEACHER };
static const char *const names[] = { "student", "teacher" };

typedef struct side {          /* what is known of one model and its tokens */
    int64_t extras, patches, rows, columns, here; /* here: patches that it sees */
    ba_tensor *kept;           /* NULL: it sees every patch */
} side;

/* patches_only: there may be no tokens in front. Of a teacher that holds only beside such a student: one whose blocks merge tokens may have as
 * many as it has patches by chance. */
static int look(ba_build *b, int who, int patches_only, const ba_type *t, side *s, ba_err *e)
{
    static const char *const facts[] = { "prefix", "patches", "grid_rows", "grid_columns" };
    int64_t *const to[] = { &s->extras, &s->patches, &s->rows, &s->columns };
    for (int i = 0; i < 4; i++)
        if ((*to[i] = ba_build_fact(b, names[who], facts[i], e)) < 0)
            return BA_EARG;
    ba_type kept = { .rank = 2, .dim = { 0, s->patches } };
    s->kept = bai_build_has(b, names[who], "kept") ? ba_build_get(b, names[who], "kept", -1, e) : NULL;
    if (s->kept && ba_tensor_type(s->kept, &kept, e))
        return BA_EARG;
    s->here = kept.dim[1];
    if (patches_only && t->rank == 3 && t->dim[1] == s->here)
        s->extras = 0;
    else if (t->rank != 3 || t->dim[1] != s->extras + s->here) {
        char have[100];
        bai_type_text(t, have, sizeof have);
        if (t->rank == 3 && bai_build_fact_get(b, names[who], "reduced") > 0)
            return ba_fail(e, BA_EARG, "the %s's tokens are %s: its reducer takes tokens away, and here they are compared one by one; a %s without a reducer expected",
                           names[who], have, names[who]);
        return ba_fail(e, BA_EARG, "the %s's tokens are %s; [B,%lld,..] expected: %lld in front and %lld patches", names[who], have,
                       (long long)(s->extras + s->here), (long long)s->extras, (long long)s->here);
    }
    return BA_OK;
}

/* [B,N,D] of the student's grid on the teacher's. */
static ba_tensor *regrid(ba_build *b, ba_tensor *x, const ba_type *t, const side *s, const side *to, ba_err *e)
{
    x = bai_nn_permute(b, x, "0,2,1", e);
    x = bai_nn_reshape(b, x, 2, (const int64_t[]){ t->dim[0] * t->dim[2], s->patches }, e);
    x = bai_nn_op1(b, "resize", x, BA_ATTRS(BA_I("rows", s->rows), BA_I("columns", s->columns), BA_I("to_rows", to->rows), BA_I("to_columns", to->columns)), e);
    x = bai_nn_reshape(b, x, 3, (const int64_t[]){ t->dim[0], t->dim[2], to->patches }, e);
    return bai_nn_permute(b, x, "0,2,1", e);
}

/* Patches of both at the places that both have. */
static int same_places(ba_build *b, const ba_type *t, side s[2], ba_tensor *x[2], ba_err *e)
{
    if (s[STUDENT].rows != s[TEACHER].rows || s[STUDENT].columns != s[TEACHER].columns) {
        if (s[STUDENT].kept)
            return ba_fail(e, BA_EARG, "the student is masked and has %lldx%lld patches, the teacher %lldx%lld; equal grids are needed to compare them",
                           (long long)s[STUDENT].rows, (long long)s[STUDENT].columns, (long long)s[TEACHER].rows, (long long)s[TEACHER].columns);
        x[STUDENT] = regrid(b, x[STUDENT], t, &s[STUDENT], &s[TEACHER], e);
    }
    if (s[STUDENT].kept == s[TEACHER].kept)
        return x[STUDENT] ? BA_OK : BA_EARG;
    if (s[STUDENT].kept && s[TEACHER].kept)
        return ba_fail(e, BA_EARG, "student and teacher are masked by different criteria; their tokens are of different places and cannot be compared");
    int full = s[STUDENT].kept ? TEACHER : STUDENT;
    x[full] = bai_nn_op2(b, "gather_rows", x[full], s[!full].kept, 0, NULL, e);
    return x[full] ? BA_OK : BA_EARG;
}

int bai_nn_match(ba_build *b, ba_tensor *student, ba_tensor *teacher, int extras, ba_tensor *out[2], ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    ba_tensor *given[2] = { bai_sum_joined(b, student), bai_sum_joined(b, teacher) }, *x[2];
    ba_type t[2];
    side s[2];
    for (int i = 0; i < 2; i++)
        if (ba_tensor_type(given[i], &t[i], e) || look(b, i, !i || !s[STUDENT].extras, &t[i], &s[i], e))
            return e ? e->code : BA_EARG;
    int64_t front = s[0].extras < s[1].extras ? s[0].extras : s[1].extras;
    for (int i = 0; i < 2; i++)
        if (!(x[i] = bai_nn_slice(b, given[i], 1, s[i].extras, t[i].dim[1], e)))
            return BA_EARG;
    if (same_places(b, &t[STUDENT], s, x, e))
        return e ? e->code : BA_EARG;
    for (int i = 0; i < 2; i++) {
        ba_tensor *both[] = { extras && front ? bai_nn_slice(b, given[i], 1, 0, front, e) : NULL, x[i] };
        out[i] = extras && front ? bai_nn_op2(b, "concat", both[0], both[1], BA_ATTRS(BA_I("axis", 1)), e) : x[i];
        if (!out[i])
            return e ? e->code : BA_EARG;
    }
    return BA_OK;
}

/* ---- which blocks ---- */
/* One word of a list of blocks: "all", "last", "last-6", "first-2", or a number; from..to are the blocks it means. */
static int word_of(const char *w, int64_t depth, int64_t *from, int64_t *to)
{
    char *end;
    int last = !strncmp(w, "last", 4), first = !strncmp(w, "first", 5);
    const char *rest = w + (last ? 4 : first ? 5 : 0);
    *from = 0, *to = depth;
    if (!strcmp(w, "all"))
        return BA_OK;
    int64_t n = !*rest && (last || first) ? 1 : strtoll(last || first ? rest + 1 : w, &end, 10);
    if ((last || first) && *rest ? *rest != '-' || *end || end == rest + 1 || n < 1 || n > depth : !(last || first) && (*end || end == w))
        return BA_EARG;
    if (last || first) {
        *(last ? from : to) = last ? depth - n : n;
        return BA_OK;
    }
    *from = n < 0 ? depth + n : n;
    *to = *from + 1;
    return *from >= 0 && *from < depth ? BA_OK : BA_EARG;
}

static int known(const int64_t *list, int64_t n, int64_t layer)
{
    for (int64_t i = 0; i < n; i++)
        if (list[i] == layer)
            return 1;
    return 0;
}

/* Every block once, in the order of the text. */
static int64_t list_of(const char *text, const char *who, int64_t depth, int64_t most, int64_t *out, ba_err *e)
{
    char all[256], *save = NULL;
    int64_t n = 0, from, to;
    if (strlen(text) >= sizeof all)
        return ba_fail(e, BA_EARG, "blocks of the %s: a list of %zu letters; at most %zu", who, strlen(text), sizeof all - 1);
    snprintf(all, sizeof all, "%s", text);
    for (char *w = strtok_r(all, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
        if (word_of(w, depth, &from, &to))
            return ba_fail(e, BA_EARG, "blocks of the %s: '%s'; it has %lld, so 0 to %lld, all, last, last-N or first-N expected", who, w, (long long)depth,
                           (long long)depth - 1);
        for (; from < to; from++)
            if (!known(out, n < most ? n : most, from) && n++ < most)
                out[n - 1] = from;
        if (n > most)
            return ba_fail(e, BA_EARG, "blocks of the %s: more than %lld", who, (long long)most);
    }
    return n ? n : ba_fail(e, BA_EARG, "blocks of the %s: none chosen", who);
}

/* Blocks of the first half are counted from the front, the others from the back: the pairs of the Manifold and ViTKD papers. */
static int64_t partner(int64_t layer, int64_t depth, int64_t theirs)
{
    return layer < depth / 2 ? layer : layer - depth + theirs;
}

/* Pairs of the first depth[i] blocks of both */
static int64_t pairs(const char *chosen, const char *theirs, const int64_t depth[2], int64_t most, int64_t *student, int64_t *teacher, ba_err *e)
{
    int64_t n = list_of(chosen, "student", depth[0], most, student, e);
    if (n < 0)
        return n;
    if (theirs && *theirs) {
        int64_t m = list_of(theirs, "teacher", depth[1], most, teacher, e);
        return m < 0 || m == n ? m : ba_fail(e, BA_EARG, "%lld blocks of the student, %lld of the teacher; equal numbers expected", (long long)n, (long long)m);
    }
    for (int64_t i = 0; i < n; i++) {
        teacher[i] = partner(student[i], depth[0], depth[1]);
        if (teacher[i] < 0 || teacher[i] >= depth[1])
            return ba_fail(e, BA_EARG, "block %lld of the student (of %lld) has no counterpart among the teacher's %lld; name its blocks (teacher_layers)",
                           (long long)student[i], (long long)depth[0], (long long)depth[1]);
    }
    return n;
}

int64_t bai_nn_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e)
{
    int64_t trunk[2];
    if (bai_build_check(b, e))
        return BA_EARG;
    for (int i = 0; i < 2; i++) { /* signals put by hand may come without the fact */
        trunk[i] = bai_build_fact_get(b, names[i], "trunk");
        if (trunk[i] < 0 && (trunk[i] = ba_build_fact(b, names[i], "depth", e)) < 0)
            return BA_EARG;
    }
    return pairs(chosen, theirs, trunk, most, student, teacher, e);
}

/* Refuses pairs of blocks of which one has no class attention, and names blocks that have. */
static int all_attend(ba_build *b, int64_t n, const int64_t *student, const int64_t *teacher, ba_err *e)
{
    const int64_t *const blocks[2] = { student, teacher };
    int64_t first[2], last[2];
    for (int who = 0; who < 2; who++)
        if (!bai_build_span(b, names[who], "class_attention", &first[who], &last[who]))
            return BA_OK; /* that it has none at all is said where it is asked for */
    const int64_t mine = last[STUDENT] - first[STUDENT] + 1, theirs = last[TEACHER] - first[TEACHER] + 1, shared = mine < theirs ? mine : theirs;
    for (int64_t i = 0; i < n; i++)
        for (int who = 0; who < 2; who++)
            if (blocks[who][i] < first[who] || blocks[who][i] > last[who])
                return ba_fail(e, BA_EARG, "block %lld of the student is paired with block %lld of the teacher, and the %s has no class attention there but in "
                               "blocks %lld to %lld; layers = \"last-%lld\", teacher_layers = \"last-%lld\" compares the last ones", (long long)student[i],
                               (long long)teacher[i], names[who], (long long)first[who], (long long)last[who], (long long)shared, (long long)shared);
    return BA_OK;
}

int64_t bai_nn_attention_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e)
{
    int64_t depth[2] = { ba_build_fact(b, "student", "depth", e), 0 };
    if (depth[0] < 0 || (depth[1] = ba_build_fact(b, "teacher", "depth", e)) < 0)
        return BA_EARG;
    int64_t n = pairs(chosen, theirs, depth, most, student, teacher, e);
    return n < 0 || !all_attend(b, n, student, teacher, e) ? n : BA_EARG;
}
