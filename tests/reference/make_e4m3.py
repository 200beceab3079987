"""Writes golden_e4m3.h: the numbers of FP8 (E4M3) and what numbers between them round to, as PyTorch's float8_e4m3fn has them."""
import torch

fp8 = torch.float8_e4m3fn
values = torch.arange(127, dtype=torch.uint8).view(fp8).float()
middle = (values[:-1] + values[1:]) / 2
below = torch.nextafter(middle, torch.zeros(1))
above = torch.nextafter(middle, torch.full((1,), 1e9))


def codes(x):
    return x.to(fp8).view(torch.uint8).tolist()


def rows(name, numbers, form):
    text = [form(n) for n in numbers]
    lines = [", ".join(text[i:i + 16]) for i in range(0, len(text), 16)]
    return f"static const {name}[{len(text)}] = {{\n    " + ",\n    ".join(lines) + " };\n"


assert codes(below) == list(range(126)) and codes(above) == list(range(1, 127))
assert torch.arange(128, 255, dtype=torch.uint8).view(fp8).float().equal(-values)
assert torch.tensor([127, 255], dtype=torch.uint8).view(fp8).float().isnan().all()
with open("golden_e4m3.h", "w") as f:
    f.write("/* Written by make_e4m3.py with PyTorch " + torch.__version__.split("+")[0] + ": float8_e4m3fn. */\n")
    f.write("/* The number of each code; code 127 is NaN, codes from 128 on are the same with a minus. */\n")
    f.write(rows("double golden_e4m3_value", values.tolist(), lambda v: repr(v)))
    f.write("/* The code of the number in the middle between those of codes i and i + 1; nearer ones go to the nearer. */\n")
    f.write(rows("int golden_e4m3_tie", codes(middle), str))
