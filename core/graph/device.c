/* device: opening a device by name. */
#include "device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/place.h"
#include "node.h"

int bai_device_check(const ba_device *d, ba_err *e)
{
    return d && d->tag == BAI_TAG_DEVICE ? BA_OK : ba_fail(e, BA_EARG, "device expected, got %s", d ? "something else (freed?)" : "nothing");
}

/* Where device modules lie: BAUTA_DEVICE_PATH, else the folder set at build time, or that beside the library. */
static const bai_device_ops *load(const char *name, ba_err *e)
{
    const char *dir = getenv("BAUTA_DEVICE_PATH");
    char path[4200], beside[4096];
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))) {
            ba_fail(e, BA_EARG, "device '%.40s': only a-z and 0-9; 'cpu' is built in", name);
            return NULL;
        }
    snprintf(path, sizeof path, "%s/bauta_%s.so", dir && *dir ? dir : bai_place(BAUTA_DEVICE_DIR, beside, sizeof beside), name);
    if (access(path, F_OK)) {
        const int known = !strcmp(name, "cuda"); /* whoever asks for it is right, and this machine or this build is not */
        ba_fail(e, known ? BA_EMACHINE : BA_EARG, "device '%.40s' cannot be had: there is no %.300s%s", name, path, known ? " (built without CUDA)" : "; cpu, cuda or auto expected");
        return NULL;
    }
    void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const bai_device_ops *ops = h ? dlsym(h, "bauta_device") : NULL;
    if (!ops) {
        const char *why = dlerror();
        ba_fail(e, BA_EMACHINE, "device '%s' cannot be had: %.300s", name, why ? why : "no bauta_device in it");
        return NULL;
    }
    if (ops->magic != BAI_DEVICE_MAGIC || ops->abi != BAI_DEVICE_ABI || ops->size != sizeof *ops) {
        ba_fail(e, BA_EMACHINE, "device '%s': %.300s was built for another version of bauta", name, path);
        return NULL;
    }
    return ops;
}

ba_device *ba_device_open(const char *name, int64_t threads, const char *tier, ba_err *e)
{
    if (!name || !*name) {
        ba_fail(e, BA_EARG, "device: a name is expected ('cpu')");
        return NULL;
    }
    if (threads < 0 || threads > 1024) {
        ba_fail(e, BA_EARG, "threads = %lld; 0 (one per processor) to 1024 expected", (long long)threads);
        return NULL;
    }
    const bai_device_ops *ops = strcmp(name, "cpu") ? load(name, e) : &bai_device_cpu;
    if (!ops)
        return NULL;
    ba_device *d = calloc(1, sizeof *d);
    if (!d) {
        ba_fail(e, BA_EMACHINE, "no memory for a device");
        return NULL;
    }
    *d = (ba_device){ BAI_TAG_DEVICE, ops, ops->open(threads, tier ? tier : "auto", e), 0, 0 };
    if (!d->self) {
        free(d);
        return NULL;
    }
    return d;
}

void ba_device_free(ba_device *d)
{
    if (!d || d->tag != BAI_TAG_DEVICE)
        return;
    d->tag = 0;
    d->ops->close(d->self);
    free(d);
}

void *bai_device_take(ba_device *d, int64_t bytes, ba_err *e)
{
    void *p = d->ops->alloc(d->self, (size_t)bytes, e);
    d->held += p ? bytes : 0;
    d->most = d->held > d->most ? d->held : d->most;
    return p;
}

void bai_device_give(ba_device *d, void *p, int64_t bytes)
{
    d->ops->release(d->self, p);
    d->held -= p ? bytes : 0;
}

int64_t ba_device_peak(ba_device *d, int32_t anew)
{
    if (bai_device_check(d, NULL))
        return 0;
    int64_t most = d->most;
    if (anew)
        d->most = d->held;
    return most;
}

const char *ba_device_describe(const ba_device *d) { return bai_device_check(d, NULL) ? "" : d->ops->describe(d->self); }
int ba_device_has(const ba_device *d, const char *what) { return bai_device_check(d, NULL) || !what ? 0 : d->ops->has(d->self, what); }
