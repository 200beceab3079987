/* The promise of a minor version: what plugins of ABI 1.0 know lies today where it lay then. Structs that say their own size may have grown,
 * the others not at all.
 * usage: test_abi FROZEN-HEADERS */
#include "../check.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* Structs that carry their size, or are only handed out by the core. */
static const char *const growing[] = { "ba_host", "ba_block", "ba_mask_ops", "ba_loss_ops", "ba_arch_facts", "ba_arch_in", "ba_arch_ops",
                                       "ba_picture", "ba_data_facts", "ba_data_ops", "ba_plugin_desc", "ba_data_host", NULL };

static int may_grow(const char *type)
{
    for (int i = 0; growing[i]; i++)
        if (!strcmp(growing[i], type))
            return 1;
    return 0;
}

static void test_rows(void)
{
    int rows = 0;
    for (; abi_1_0[rows].type; rows++) {
        const abi_row *then = &abi_1_0[rows], *now = &abi_now[rows];
        if (*then->field || !may_grow(then->type))
            CHECK(now->number == then->number, "%s%s%s: %zu, in ABI 1.0 %zu", then->type, *then->field ? "." : "", then->field, now->number,
                then->number);
        else
            CHECK(now->number >= then->number, "%s has shrunk from %zu to %zu", then->type, then->number, now->number);
    }
    CHECK(rows > 100, "%d rows", rows);
    check_group("sizes and offsets");
}

/* A plugin that says it is content with 1.0 sees nothing that was appended since: what it could call by mistake does not compile. */
static void test_guarded(void)
{
    for (int i = 0; abi_1_0[i].type; i++)
        CHECK(abi_asked_0[i].number == abi_1_0[i].number, "%s%s%s: %zu without BA_WANT_MINOR, in ABI 1.0 %zu; is what was appended behind #if BA_WANT_MINOR?",
            abi_1_0[i].type, *abi_1_0[i].field ? "." : "", abi_1_0[i].field, abi_asked_0[i].number, abi_1_0[i].number);
    check_group("what was appended is there for those who ask for it");
}

static char *whole(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/bauta/%s", folder, name);
    FILE *f = fopen(path, "rb");
    char *s = calloc(1, 1 << 17);
    CHECK(f && s && fread(s, 1, (1 << 17) - 1, f) > 0, "reading %s", path);
    if (f)
        fclose(f);
    return s;
}

/* Every struct that the frozen headers of plugins define must be in the table. */
static void test_complete(const char *folder)
{
    static const char *const headers[] = { "base.h", "plugin.h" };
    int found = 0;
    for (int i = 0; i < 2; i++) {
        char *text = whole(folder, headers[i]);
        for (char *at = text; (at = strstr(at, "typedef struct ")); at++) {
            char name[64] = "";
            int known = 0, body = 0;
            if (sscanf(at, "typedef struct %63[a-z_0-9] %n", name, &body) != 1 || at[body] != '{')
                continue;
            for (int k = 0; abi_1_0[k].type; k++)
                known |= !strcmp(abi_1_0[k].type, name);
            found++;
            CHECK(known, "%s of %s is not in tests/abi/table.c", name, headers[i]);
        }
        free(text);
    }
    CHECK(found > 12, "only %d structs found", found);
    check_group("no struct is left out");
}

int main(int argc, char **argv)
{
    CHECK(argc > 1, "usage: %s FROZEN-HEADERS", argv[0]);
    test_rows();
    test_guarded();
    if (argc > 1)
        test_complete(argv[1]);
    return check_done();
}
