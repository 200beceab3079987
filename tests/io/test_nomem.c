/* test_nomem: every allocation of core/io fails, once and from then on: an error in one line, no crash, nothing leaked, no file
 * damaged. (The libraries allocate by themselves and are left alone: libhdf5 is known not to stand it.) */
#include "nomem.h"

#include <stdint.h>

#include "../check.h"
#include "bauta/picture.h"
#include "bauta/run.h"
#include "bauta/weights.h"
#include "help.h"

#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef free

enum { SLOTS = 1 << 16 };

static void *held[SLOTS]; /* what was given and not taken back */
static long count, fail_at, live;
static int for_ever, hit;

static size_t slot_of(const void *p)
{
    size_t i = ((uintptr_t)p >> 4) % SLOTS;
    while (held[i] && held[i] != p)
        i = (i + 1) % SLOTS;
    return i;
}

static void *give(void *p)
{
    if (p) {
        held[slot_of(p)] = p;
        live++;
    }
    return p;
}

static void take(const void *p)
{
    size_t i = slot_of(p), j, k;
    if (!held[i])
        return; /* of a library */
    live--;
    held[i] = NULL;
    for (j = (i + 1) % SLOTS; held[j]; j = (j + 1) % SLOTS) { /* close the gap */
        k = ((uintptr_t)held[j] >> 4) % SLOTS;
        if (i <= j ? k <= i || k > j : k <= i && k > j) {
            held[i] = held[j];
            held[j] = NULL;
            i = j;
        }
    }
}

static int fails(void)
{
    if (!fail_at || ++count < fail_at || (count > fail_at && !for_ever))
        return 0;
    return hit = 1;
}

void *nomem_malloc(size_t n) { return fails() ? NULL : give(malloc(n)); }
void *nomem_calloc(size_t n, size_t size) { return fails() ? NULL : give(calloc(n, size)); }
char *nomem_strdup(const char *s) { return fails() ? NULL : give(strdup(s)); }

void *nomem_realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    take(p);
    return give(realloc(p, n));
}

void nomem_free(void *p)
{
    take(p);
    free(p);
}

/* ---- what is done while memory fails; each answers the code of its first error ---- */

static char folder[400], path[450];
static ba_store *store;

static int weights(ba_err *e)
{
    ba_note note = { "k", "v" };
    char report[500];
    int bad = ba_weights_save(store, path, 1, &note, e);
    return bad ? bad : ba_weights_load(store, path, "", "x", report, sizeof report, e);
}

static int log_of_run(ba_err *e)
{
    char run[450];
    snprintf(run, sizeof run, "%s/kept", folder);
    ba_log *l = ba_log_open(run, e);
    int bad = l ? 0 : e->code;
    ba_log_free(l);
    return bad;
}

static int checkpoint(ba_err *e)
{
    char file[450];
    snprintf(file, sizeof file, "%s/kept/checkpoints/last", folder);
    ba_checkpoint *c = ba_checkpoint_open(file, e);
    int bad = c ? ba_checkpoint_load(c, "w", store, e) : e->code;
    ba_checkpoint_free(c);
    return bad;
}

static int run_in(const char *name, int mode, ba_err *e)
{
    static const ba_field fields[] = { { "step", BA_I64, 0, NULL, NULL }, { "t", BA_STR, 300, NULL, NULL } };
    ba_part part = { "w", store };
    ba_attr v = BA_S("k", "v");
    ba_value row[] = { { .i = 1 }, { .s = "text" } };
    ba_run *r = ba_run_open(folder, name, mode, 4096, e);
    int64_t t = r ? ba_run_stream(r, "train", "", 2, fields, e) : e->code;
    int bad = t < 0 ? (int)t : BA_OK;
    int more = mode != BA_RUN_RESUME; /* a run that is resumed again and again shall not grow */
    for (int i = 0; i < (more ? 300 : 2) && !bad; i++)
        bad = ba_run_row_any(r, t, row, 2, e);
    if (!bad && more)
        bad = ba_run_document(r, "settings", "{}", 2, e);
    if (!bad && more)
        bad = ba_run_image(r, "heat", 1, 2, (const uint8_t *)"ab", e);
    for (int i = 0; i < 5 && !bad; i++)
        bad = ba_run_checkpoint(r, i, i, i == 1, 1, &part, 1, &v, e);
    if (!bad)
        bad = ba_run_snapshot(r, e);
    if (!bad)
        bad = ba_run_finish(r, BA_RUN_STOPPED, 0, NULL, e);
    ba_run_free(r);
    return bad;
}

static int run_new(ba_err *e) { return run_in("again", BA_RUN_RESTART, e); }
static int run_on(ba_err *e) { return run_in("kept", BA_RUN_RESUME, e); }

static int sheet(ba_err *e)
{
    static const uint8_t rgb[12];
    int32_t kept[] = { 0 };
    ba_sheet *s = ba_sheet_new(1, 1, 40, 40, 1, "title", e);
    int bad = s ? BA_OK : e->code;
    if (!bad)
        bad = ba_sheet_picture(s, 0, 0, rgb, 2, 2, 2, e);
    if (!bad)
        bad = ba_sheet_mask(s, 0, 0, 2, 2, kept, 1, e);
    if (!bad)
        bad = ba_sheet_write(s, path, e);
    ba_sheet_free(s);
    return bad;
}

static long series(const char *name, int (*work)(ba_err *), int forever)
{
    long points = 0;
    for (long k = 1; k < 5000; k++, points++) {
        ba_err e = { 0 };
        long before = live;
        count = hit = 0;
        fail_at = k;
        for_ever = forever;
        int bad = work(&e);
        fail_at = 0;
        CHECK(live == before, "%s, allocation %ld: %ld pieces leaked", name, k, live - before);
        if (!hit) {
            CHECK(!bad, "%s: %s", name, e.msg);
            printf("# %s: %ld allocations\n", name, k - 1);
            break;
        }
        CHECK(!bad || (e.code == bad && *e.msg), "%s, allocation %ld: %d, %d '%s'", name, k, bad, e.code, e.msg);
        CHECK(bad != BA_EDATA && bad != BA_EBUG, "%s, allocation %ld: %d '%s'", name, k, bad, e.msg);
    }
    return points;
}

int main(void)
{
    static const struct { const char *name; int (*work)(ba_err *); } works[] = {
        { "weights", weights }, { "log", log_of_run }, { "checkpoint", checkpoint }, { "sheet", sheet }, { "a new run", run_new },
        { "a resumed run", run_on },
    };
    int64_t dim[] = { 3, 4 };
    ba_err e = { 0 };
    long points = 0;
    store = fake_store();
    ba_store_add(store, "weight", 2, dim, 0, 0.1, 0, NULL);
    snprintf(folder, sizeof folder, "%s", temp_folder("nomem"));
    snprintf(path, sizeof path, "%s/file", folder);
    CHECK(!run_in("kept", BA_RUN_NEW, &e), "%s", e.msg);
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        for (int forever = 0; forever < 2; forever++)
            points += series(works[i].name, works[i].work, forever);
    printf("# %ld points\n", points);
    ba_store_free(store);
    check_group("allocations that fail");
    return check_done();
}
