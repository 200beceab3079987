"""Writes golden_sound.h: the log-mel energies of a sound, in float64, restated with NumPy from how Kaldi and AST describe their front end and not
from Bauta's source: framing by indices, the transform by numpy.fft, the triangles as a dense matrix.

    python tests/reference/make_sound.py > tests/reference/golden_sound.h
"""
import numpy as np

RATE, WINDOW, SHIFT, POINTS = 16000, 400, 160, 512


def wave(n):
    i = np.arange(n, dtype=np.float64)
    return (0.5 * np.sin(2 * np.pi * 440 * i / RATE) + 0.25 * ((7919 * i) % 1000 / 1000 - 0.5)).astype(np.float32)


def filters(bins):
    """[bins, POINTS / 2 + 1]; the last bin of the transform belongs to no filter."""
    mel = lambda f: 1127 * np.log1p(np.asarray(f) / 700.0)
    edges = np.linspace(mel(20.0), mel(RATE / 2), bins + 2)
    at = mel(np.arange(POINTS // 2) * RATE / POINTS)
    rise = (at[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.pad(np.maximum(0, np.minimum(rise, fall)), ((0, 0), (0, 1)))


def spectrum(x, bins):
    """[frames, bins] of what fits wholly into the sound."""
    x = x.astype(np.float64) - x.astype(np.float64).mean()
    frames = 1 + (len(x) - WINDOW) // SHIFT
    f = x[np.arange(frames)[:, None] * SHIFT + np.arange(WINDOW)[None]]
    f = f - f.mean(axis=1, keepdims=True)
    f = f - 0.97 * np.concatenate([f[:, :1], f[:, :-1]], axis=1)
    f = f * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1)))
    power = np.abs(np.fft.rfft(f, POINTS)) ** 2
    return np.log(np.maximum(power @ filters(bins).T, np.finfo(np.float32).eps))


def case(name, n, bins):
    y = spectrum(wave(n), bins)
    places = [(t, b) for t in (0, 1, len(y) // 2, len(y) - 1) for b in range(0, bins, 5)]
    rows = ", ".join("{ %d, %d, %.9g }" % (t, b, y[t, b]) for t, b in places)
    return ("static const golden_energy %s[] = { %s };\n" % (name, rows) +
            "static const double %s_mean = %.12g; static const int %s_frames = %d;\n" % (name, y.mean(), name, len(y)))


if __name__ == "__main__":
    print("/* Log-mel energies in float64, by make_sound.py: do not edit. The sound: 0.5 sin(2 pi 440 i / 16000) + 0.25 ((7919 i mod 1000) / 1000 - 0.5), fp32. */")
    print("typedef struct golden_energy { int frame, bin; double v; } golden_energy;\n")
    print(case("five_seconds", 80000, 128))
    print(case("short_of_frames", 16123, 40), end="")
