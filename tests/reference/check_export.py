"""Weights that Bauta wrote, loaded strictly by timm: the logits must be the same.

    python check_export.py PATH/TO/bauta          # needs requirements.txt"""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from timm.models import cait, swin_transformer, vision_transformer
from torch import nn

import parity_archs

norm = functools.partial(nn.LayerNorm, eps=1e-6)
loose = functools.partial(nn.LayerNorm, eps=1e-5)
vit = functools.partial(vision_transformer.VisionTransformer, **parity_archs.SMALL)
MODELS = {
    "deit": lambda: vit(norm_layer=norm),
    "deit3": lambda: vit(norm_layer=norm, no_embed_class=True, init_values=1e-4),
    "mae": lambda: vit(norm_layer=norm, global_pool="avg"),
    "clip": lambda: vit(norm_layer=loose, pre_norm=True),
    "cait": lambda: cait.Cait(**parity_archs.SMALL, norm_layer=norm),
    "swin": lambda: swin_transformer.SwinTransformer(img_size=32, patch_size=2, embed_dim=8, depths=(2, 2, 1), num_heads=(1, 2, 4), window_size=4,
                                                     num_classes=5, norm_layer=loose),
}


def main():
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "lua", str(pathlib.Path(__file__).parent / "export.lua"), folder], check=True)
        ours = json.loads((pathlib.Path(folder) / "logits.json").read_text())
        for name, make in MODELS.items():
            model = make().eval()
            model.load_state_dict(load_file(f"{folder}/{name}.safetensors"), strict=True)
            with torch.no_grad():
                logits = model(parity_archs.pictures().float()).reshape(-1)
            off = (logits - torch.tensor(ours[name])).abs().max().item() / logits.abs().max().item()
            print(f"{name}: largest difference {off:.2g} of the largest logit")
            worst = max(worst, off)
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
