/* load: one plugin file into this process, after a child has tried it. Nothing that was accepted is ever unloaded. */
#include "plugin.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIMIT_MS = 10000 };

static int judge_mode(const char *path, const char *of, const char *what, ba_err *e)
{
    struct stat s;
    if (stat(of, &s))
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: cannot be read", path);
    if (s.st_mode & S_IWOTH)
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: the %s may be written by everyone (mode %04o)", path, what, (unsigned)s.st_mode & 07777);
    return BA_OK;
}

/* The file must be an ordinary one that lies in the folder it was found in, and nobody else may change either. */
static int judge_place(const char *path, ba_err *e)
{
    char folder[4096], real[4096];
    struct stat s;
    const char *slash = strrchr(path, '/');
    if (!slash || slash - path >= (long)sizeof folder)
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: a path with a folder expected", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    if (stat(path, &s) || !S_ISREG(s.st_mode))
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: not a file", path);
    if (judge_mode(path, folder, "folder", e) || judge_mode(path, path, "file", e))
        return BA_EPLUGIN;
    char *to = realpath(path, NULL), *home = realpath(folder, NULL);
    size_t n = home ? strlen(home) : 0;
    int inside = to && home && !strncmp(to, home, n) && (n == 1 || to[n] == '/');
    if (to)
        strncpy(real, to, sizeof real - 1)[sizeof real - 1] = 0;
    free(to);
    free(home);
    return inside ? BA_OK : ba_fail(e, BA_EPLUGIN, "plugin %.200s: a link out of its folder, to %.200s", path, to ? real : "nothing");
}

const ba_plugin_desc *bai_plugin_load(const char *path, ba_err *e)
{
    if (judge_place(path, e) || bai_plugin_probe(path, LIMIT_MS, e))
        return NULL;
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const ba_plugin_desc *d = so ? dlsym(so, "ba_plugin") : NULL;
    if (!d) {
        ba_fail(e, BA_EPLUGIN, "plugin %.200s: not loadable here, though it was in a child process", path);
        return NULL;
    }
    if (!bai_plugin_judge(d, path, e))
        return d;
    dlclose(so);
    return NULL;
}
