/* Finding plugins: search path and its order, kinds, names, listings, what is unsafe, what is there twice, wrong arguments. */
#include "../check.h"
#include "bauta/model.h"
#include "bauta/system.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[PATH_MAX], bad[PATH_MAX], room[PATH_MAX];

static void copy(const char *from, const char *to)
{
    char bytes[65536];
    FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
    CHECK(a && b, "copy %s to %s", from, to);
    for (size_t n; a && b && (n = fread(bytes, 1, sizeof bytes, a)) > 0;)
        CHECK(fwrite(bytes, 1, n, b) == n, "writing %s", to);
    if (a)
        fclose(a);
    if (b)
        fclose(b);
}

static const char *in_room(const char *name)
{
    static char path[4][PATH_MAX + 100];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", room, name);
    return path[at];
}

/* A search that must fail with this sentence; %R in it stands for the test's folder, ... at its end for whatever follows. */
static void fails(ba_plugins *p, const char *kind, const char *name, int code, const char *want)
{
    char full[2 * PATH_MAX] = "";
    const char *rest = want;
    ba_err e = { 0 };
    for (const char *at; (at = strstr(rest, "%R")); rest = at + 2) {
        strncat(full, rest, (size_t)(at - rest));
        strcat(full, room);
    }
    strcat(full, rest);
    full[sizeof e.msg - 1] = 0;
    size_t n = strlen(full);
    n = n > 3 && !strcmp(full + n - 3, "...") ? n - 3 : n + 1;
    CHECK(!ba_plugins_find(p, kind, name, &e) && e.code == code && !strncmp(e.msg, full, n), "%d '%s'\n   want '%s'", e.code, e.msg, full);
}

static void test_wrong_arguments(void)
{
    ba_err e = { 0 };
    ba_plugin_info info;
    ba_plugins *p = ba_plugins_new(home, &e);
    static const char *const names[] = { "", "../x", "a/b", "A", "student.so", "a b", ".", "stu\ndent", "ä" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char want[200];
        snprintf(want, sizeof want, "plugin name '%s': only 1 to 64 of [a-z0-9_-]", i == 7 ? "stu?dent" : names[i]);
        fails(p, "mask", names[i], BA_EARG, want);
    }
    fails(p, "mask", NULL, BA_EARG, "plugin name '': only 1 to 64 of [a-z0-9_-]");
    fails(p, "masks", "student", BA_EARG, "plugin kind 'masks': mask, loss, arch, data or reducer expected");
    fails(p, NULL, "student", BA_EARG, "plugin kind '': mask, loss, arch, data or reducer expected");
    fails(NULL, "mask", "student", BA_EARG, "plugins expected, got nothing");
    CHECK(ba_plugins_add(p, NULL, &e) == BA_EARG && !strcmp(e.msg, "plugins: ''; a folder without ':' expected"), "%s", e.msg);
    CHECK(ba_plugins_add(p, "/a:/b", &e) == BA_EARG && !strcmp(e.msg, "plugins: '/a:/b'; a folder without ':' expected"), "%s", e.msg);
    CHECK(ba_plugins_add(p, "/not/there", &e) == BA_EARG && !strcmp(e.msg, "plugins: '/not/there' is not a folder"), "%s", e.msg);
    CHECK(ba_plugins_entry(p, 0, &info, &e) == BA_EARG && !strcmp(e.msg, "plugins: entry 0 of 0"), "%s", e.msg);
    CHECK(ba_plugins_info(p, NULL, &info, &e) == BA_EARG && ba_plugins_hash(p, NULL, (char[65]){ 0 }, &e) == BA_EARG, "NULL");
    CHECK(ba_plugins_scan(NULL, &e) == BA_EARG && !strcmp(ba_plugins_path(NULL), ""), "NULL");
    ba_plugins_free(NULL);
    ba_plugins_free(p);
    check_group("wrong arguments");
}

static void test_unknown(void)
{
    ba_err e = { 0 };
    ba_plugins *p = ba_plugins_new(home, &e);
    fails(p, "mask", "studnet", BA_EPLUGIN, "no mask 'studnet'; did you mean 'student'? (there are: ...");
    fails(p, "arch", "resnet", BA_EPLUGIN, "no arch 'resnet' (there are: ast, ...");
    ba_plugins_free(p);
    p = ba_plugins_new(room, &e);
    fails(p, "mask", "student", BA_EPLUGIN, "no mask 'student' (there are: none; searched: %R)");
    ba_plugins_free(p);
    p = ba_plugins_new("", &e);
    fails(p, "mask", "student", BA_EPLUGIN, "no mask 'student' (there are: none; searched: no folder)");
    ba_plugins_free(p);
    check_group("unknown names");
}

static void test_listing(void)
{
    ba_err e = { 0 };
    ba_plugins *p = ba_plugins_new(home, &e);
    int64_t n = ba_plugins_scan(p, &e), seen = 0;
    static const char *const want[] = { "arch/deit", "loss/cross-entropy", "loss/logit", "mask/none", "mask/random", "mask/student" };
    char last[200] = "";
    for (int64_t i = 0; i < n; i++) {
        ba_plugin_info info;
        char name[200];
        CHECK(!ba_plugins_entry(p, i, &info, &e), "%s", e.msg);
        CHECK(!info.refused && info.desc && *info.doc && *info.version, "%s: %s", info.path, info.refused);
        snprintf(name, sizeof name, "%s/%s", info.kind, info.name);
        CHECK(strcmp(last, name) < 0, "%s after %s", name, last);
        strcpy(last, name);
        for (size_t k = 0; k < sizeof want / sizeof *want; k++)
            seen += !strcmp(want[k], name);
    }
    CHECK(seen == 6, "%lld of 6 plugins in a list of %lld", (long long)seen, (long long)n);
    CHECK(ba_plugins_scan(p, &e) == n, "a second listing has another length");
    ba_plugins_free(p);
    check_group("listing");
}

static int heard;
static char last_heard[1100];

static void hear(const char *line)
{
    heard++;
    snprintf(last_heard, sizeof last_heard, "%s", line);
}

static void test_path(void)
{
    ba_err e = { 0 };
    char want[4 * PATH_MAX], list[4 * PATH_MAX];
    mkdir(in_room("a"), 0755), mkdir(in_room("b"), 0755), mkdir(in_room("c"), 0755);
    snprintf(list, sizeof list, "%s:/not/there:%s::%s", in_room("b"), in_room("c"), in_room("b"));
    setenv("BAUTA_PLUGIN_PATH", list, 1);
    ba_notice_to(hear);
    ba_plugins *p = ba_plugins_new(home, &e);
    CHECK(heard == 1 && !strcmp(last_heard, "BAUTA_PLUGIN_PATH: '/not/there' is not a folder; no plugins are taken from there"), "%d: %s", heard, last_heard);
    CHECK(!ba_plugins_add(p, in_room("a"), &e), "%s", e.msg);
    CHECK(!ba_plugins_add(p, in_room("."), &e) && !ba_plugins_add(p, in_room("a"), &e), "%s", e.msg);
    snprintf(want, sizeof want, "%s:%s:%s:%s:%s", in_room("a"), room, in_room("b"), in_room("c"), home);
    CHECK(!strcmp(ba_plugins_path(p), want), "%s\n   want %s", ba_plugins_path(p), want);
    ba_plugins_free(p);
    memset(list, 'x', 5000);
    strcpy(list + 5000, ":/tmp");
    setenv("BAUTA_PLUGIN_PATH", list, 1);
    CHECK(!ba_plugins_new(home, &e) && e.code == BA_EARG && !strcmp(e.msg, "BAUTA_PLUGIN_PATH: a folder of 5000 letters; at most 4095 expected"), "%s", e.msg);
    unsetenv("BAUTA_PLUGIN_PATH");
    p = ba_plugins_new("/not/there", &e);
    CHECK(p && heard == 1, "the program's own folder may be missing: %s", last_heard);
    ba_plugins_free(p);
    ba_notice_to(NULL);
    check_group("search path");
}

static void test_twice(void)
{
    ba_err e = { 0 };
    char from[PATH_MAX + 40], want[1200];
    mkdir(in_room("a/mask"), 0755);
    snprintf(from, sizeof from, "%s/mask/none.so", home);
    copy(from, in_room("a/mask/none.so"));
    ba_plugins *p = ba_plugins_new(home, &e);
    CHECK(!ba_plugins_add(p, in_room("a"), &e), "%s", e.msg);
    snprintf(want, sizeof want, "mask none is there twice: %%R/a/mask/none.so and %.200s", from);
    fails(p, "mask", "none", BA_EPLUGIN, want);
    CHECK(ba_plugins_find(p, "mask", "student", &e), "the others are found: %s", e.msg);
    int64_t n = ba_plugins_scan(p, &e), refusals = 0;
    for (int64_t i = 0; i < n; i++) {
        ba_plugin_info info;
        ba_plugins_entry(p, i, &info, &e);
        refusals += info.refused && strstr(info.refused, "mask none is there twice") && !info.desc;
    }
    CHECK(refusals == 2, "%lld refusals in the list", (long long)refusals);
    ba_plugins_free(p);
    /* the same file under two names of one folder is no conflict: folders are compared by where they really are */
    CHECK(!symlink(in_room("a"), in_room("link")), "link");
    p = ba_plugins_new(in_room("a"), &e);
    CHECK(!ba_plugins_add(p, in_room("link"), &e) && ba_plugins_find(p, "mask", "none", &e), "%s", e.msg);
    ba_plugins_free(p);
    p = ba_plugins_new(in_room("a"), &e); /* nor is a folder of a kind that is on the path itself */
    CHECK(!ba_plugins_add(p, in_room("a/mask"), &e) && ba_plugins_find(p, "mask", "none", &e), "%s", e.msg);
    ba_plugins_free(p);
    unlink(in_room("link"));
    check_group("twice the same name");
}

static void test_unsafe(void)
{
    ba_err e = { 0 };
    char from[PATH_MAX + 40];
    const char *file = in_room("b/mask/random.so");
    snprintf(from, sizeof from, "%s/mask/random.so", home);
    mkdir(in_room("b/mask"), 0755);
    copy(from, file);
    chmod(file, 0646);
    ba_plugins *p = ba_plugins_new(in_room("b"), &e);
    fails(p, "mask", "random", BA_EPLUGIN, "plugin %R/b/mask/random.so: the file may be written by everyone (mode 0646)");
    ba_plugins_free(p);
    chmod(file, 0644);
    chmod(in_room("b/mask"), 0777);
    p = ba_plugins_new(in_room("b"), &e);
    fails(p, "mask", "random", BA_EPLUGIN, "plugin %R/b/mask/random.so: the folder may be written by everyone (mode 0777)");
    ba_plugins_free(p);
    chmod(in_room("b/mask"), 0755);
    CHECK(!symlink(from, in_room("b/mask/none.so")), "link");
    CHECK(!symlink("/not/there", in_room("b/mask/student.so")), "link");
    mkdir(in_room("b/mask/dir.so"), 0755);
    p = ba_plugins_new(in_room("b"), &e);
    char want[1200];
    snprintf(want, sizeof want, "plugin %%R/b/mask/none.so: a link out of its folder, to %.200s", from);
    fails(p, "mask", "none", BA_EPLUGIN, want);
    fails(p, "mask", "student", BA_EPLUGIN, "plugin %R/b/mask/student.so: not a file");
    fails(p, "mask", "dir", BA_EPLUGIN, "plugin %R/b/mask/dir.so: not a file");
    CHECK(ba_plugins_find(p, "mask", "random", &e), "%s", e.msg);
    ba_plugins_free(p);
    check_group("files and folders that others can change, links, folders");
}

static void test_misplaced(void)
{
    ba_err e = { 0 };
    char from[PATH_MAX + 40];
    mkdir(in_room("c/mask"), 0755), mkdir(in_room("c/loss"), 0755);
    snprintf(from, sizeof from, "%s/mask/random.so", home);
    copy(from, in_room("c/mask/other.so"));
    copy(from, in_room("c/loss/random.so"));
    copy(from, in_room("c/random.so"));
    copy(from, in_room("c/mask/Wrong.so"));
    ba_plugins *p = ba_plugins_new(in_room("c"), &e);
    fails(p, "mask", "other", BA_EPLUGIN, "plugin %R/c/mask/other.so: calls itself 'random'; the file's name and the plugin's must be equal");
    fails(p, "loss", "random", BA_EPLUGIN, "plugin %R/c/loss/random.so: is a mask plugin in the folder 'loss'");
    CHECK(ba_plugins_find(p, "mask", "random", &e), "a file beside the folders of kinds: %s", e.msg);
    int64_t n = ba_plugins_scan(p, &e), refusals = 0;
    for (int64_t i = 0; i < n; i++) {
        ba_plugin_info info;
        ba_plugins_entry(p, i, &info, &e);
        refusals += info.refused && strstr(info.refused, "Wrong.so: file name; 1 to 64 of [a-z0-9_-] and .so expected");
    }
    CHECK(n == 4 && refusals == 1, "%lld entries, %lld with a wrong name", (long long)n, (long long)refusals);
    ba_plugins_free(p);
    check_group("misplaced files");
}

int main(int argc, char **argv)
{
    char tmp[] = "/tmp/bauta-find-XXXXXX";
    unsetenv("BAUTA_PLUGIN_PATH");
    umask(022);
    CHECK(argc > 2 && realpath(argv[1], home) && realpath(argv[2], bad) && mkdtemp(tmp) && realpath(tmp, room), "usage: %s PLUGINS BAD-PLUGINS", argv[0]);
    if (check_failed)
        return check_done();
    test_wrong_arguments();
    test_unknown();
    test_listing();
    test_path();
    test_twice();
    test_unsafe();
    test_misplaced();
    char command[PATH_MAX + 20];
    snprintf(command, sizeof command, "rm -rf '%s'", room);
    CHECK(!system(command), "%s", command);
    return check_done();
}
