/* help: folders that vanish, whole files, and numbers that are the same everywhere. */
#include "help.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[200];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void remove_root(void)
{
    if (owner == getpid())
        remove_tree(root);
}

const char *temp_folder(const char *name)
{
    static char path[400];
    if (!*root) {
        const char *base = getenv("TMPDIR"); /* memory, unless told otherwise: thousands of flushes are made */
        if (!base || !*base)
            base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
        snprintf(root, sizeof root, "%.150s/bauta-test-XXXXXX", base);
        if (!mkdtemp(root)) {
            perror(root);
            exit(1);
        }
        owner = getpid();
        atexit(remove_root);
    }
    snprintf(path, sizeof path, "%s/%s", root, name);
    remove_tree(path);
    if (mkdir(path, 0755)) {
        perror(path);
        exit(1);
    }
    return path;
}

void copy_tree(const char *from, const char *to)
{
    pid_t p = fork();
    if (!p) {
        execlp("cp", "cp", "-a", from, to, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (p < 0 || waitpid(p, &status, 0) != p || status) {
        fprintf(stderr, "cp -a %s %s failed\n", from, to);
        exit(1);
    }
}

int64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) ? -1 : (int64_t)st.st_size;
}

char *slurp(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    *size = file_size(path);
    char *p = f && *size >= 0 ? malloc((size_t)*size + 1) : NULL;
    if (!p || fread(p, 1, (size_t)*size, f) != (size_t)*size) {
        perror(path);
        exit(1);
    }
    p[*size] = 0;
    fclose(f);
    return p;
}

void spill(const char *path, const void *data, int64_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, (size_t)size, f) != (size_t)size || fclose(f)) {
        perror(path);
        exit(1);
    }
}

uint64_t noise(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
