#!/usr/bin/env python3
"""Prints the CRC that test_resize.c wants of 500 pictures resized by Pillow. Needs Pillow 9.4 and numpy.

Sizes, parts and filters come from splitmix64, as next_random in help.c has it; pictures are G of help.h."""
import zlib

import numpy as np
from PIL import Image, __version__

STATE = 11
MASK = (1 << 64) - 1


def draw(n):
    global STATE
    STATE = (STATE + 0x9E3779B97F4A7C15) & MASK
    z = STATE
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return ((z ^ (z >> 31)) >> 16 & 0xFFFFFFFF) % n


crc = 0
for _ in range(500):
    width, height, out_width, out_height = (1 + draw(130) for _ in range(4))
    x, y = draw(width), draw(height)
    w, h = 1 + draw(width - x), 1 + draw(height - y)
    kind = Image.BILINEAR if draw(2) else Image.BICUBIC
    j, i, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing='ij')
    picture = ((37 * i + 61 * j + 101 * c + 3 * i * j) % 256).astype(np.uint8)
    out = Image.fromarray(picture).crop((x, y, x + w, y + h)).resize((out_width, out_height), kind)
    crc = zlib.crc32(np.asarray(out).tobytes(), crc)
print(f'Pillow {__version__}: {crc:08x}')
