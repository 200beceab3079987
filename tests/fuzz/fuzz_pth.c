/* fuzz_pth: libFuzzer on the reader of PyTorch's files. The first byte says how the rest is taken: as the pickle inside a sound archive, which is
 * where most of the code is, or as a whole file. */
#include <stdlib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../io/make_pth.h"
#include "../../core/io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t wrap(const uint8_t *data, size_t size, int fd)
{
    static archive z;
    static const float numbers[64];
    z.file.n = z.list.n = z.members = 0;
    put_member(&z, "x/data.pkl", data, (int64_t)size, 0, (int64_t)size);
    put_member(&z, "x/data/0", numbers, sizeof numbers, 0, sizeof numbers);
    put_end(&z, z.members, -1);
    return pwrite(fd, z.file.b, (size_t)z.file.n, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("input", 0);
    if (size < 1 || size > 60000 || ftruncate(fd, 0))
        return 0;
    int64_t n = data[0] & 1 ? pwrite(fd, data + 1, size - 1, 0) : wrap(data + 1, size - 1, fd);
    ba_err e = { 0 };
    ba_weights *w = bai_weights_open(dup(fd), 0, n, "input", &e);
    if (!w && (e.code == BA_OK || !*e.msg))
        abort(); /* refused without a word */
    for (int64_t i = 0; w && i < ba_weights_count(w); i++) {
        ba_weight_info t;
        if (ba_weights_info(w, i, &t, &e) || t.bytes > n)
            abort(); /* more than the file has */
        float *v = malloc((size_t)t.count * sizeof *v + 1);
        if (v)
            (void)ba_weights_read(w, i, v, t.count, &e);
        free(v);
    }
    ba_weights_free(w);
    return 0;
}
