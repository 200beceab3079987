/* Philox4x32-10 against the known answers of its authors, streams against FNV-1a, uniform numbers in their range. */
#include "bauta/rng.h"
#include "../check.h"

int main(void)
{
    ba_philox z = ba_philox4x32(0, 0, 0, 0);
    CHECK(z.x[0] == 0x6627e8d5u && z.x[1] == 0xe169c58du && z.x[2] == 0xbc57ac4cu && z.x[3] == 0x9b00dbd8u, "zeros: %08x %08x %08x %08x", z.x[0], z.x[1],
          z.x[2], z.x[3]);
    ba_philox f = ba_philox4x32(UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX);
    CHECK(f.x[0] == 0x408f276du && f.x[1] == 0x41c83b0eu && f.x[2] == 0xa20bc7c6u && f.x[3] == 0x6d5451fdu, "ones: %08x %08x %08x %08x", f.x[0], f.x[1],
          f.x[2], f.x[3]);
    ba_philox p = ba_philox4x32(0x299f31d0a4093822u, 0x03707344u, 0x13198a2eu, 0x85a308d3243f6a88u);
    CHECK(p.x[0] == 0xd16cfe09u && p.x[1] == 0x94fdccebu && p.x[2] == 0x5001e420u && p.x[3] == 0x24126ea1u, "pi: %08x %08x %08x %08x", p.x[0], p.x[1], p.x[2],
          p.x[3]);
    check_group("known answers");
    CHECK(ba_stream("head.weight") == 0x040A9513u, "FNV-1a of head.weight: %08x", ba_stream("head.weight"));
    double sum = 0;
    int out = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float u = ba_random_uniform(7, ba_stream("x"), 3, i);
        out += !(u >= 0 && u < 1);
        sum += (double)u;
    }
    CHECK(out == 0 && sum / 1e5 > 0.495 && sum / 1e5 < 0.505, "%d outside [0,1), mean %g", out, sum / 1e5);
    check_group("uniform numbers");
    return check_done();
}
