/* fuzz_safetensors: libFuzzer on the safetensors reader: open, list, read everything that is float. */
#include <stdlib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("input", 0);
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        return 0;
    ba_err e = { 0 };
    ba_weights *w = bai_weights_open(dup(fd), 0, (int64_t)size, "input", &e);
    if (!w && (e.code == BA_OK || !*e.msg))
        abort(); /* refused without a word */
    for (int64_t i = 0; w && i < ba_weights_count(w); i++) {
        ba_weight_info t;
        if (ba_weights_info(w, i, &t, &e) || t.bytes > (int64_t)size)
            abort(); /* more than the file has */
        float *v = malloc((size_t)t.count * sizeof *v + 1);
        if (v)
            (void)ba_weights_read(w, i, v, t.count, &e);
        free(v);
    }
    ba_weights_free(w);
    return 0;
}
