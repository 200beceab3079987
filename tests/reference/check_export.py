"""Weights that Bauta wrote, loaded strictly by timm: the logits must be the same. What timm answers becomes parity/export-*.json.

    python check_export.py PATH/TO/bauta          # needs requirements.txt"""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import timm
import torch
from safetensors.torch import load_file
from timm.models import cait, deit, swin_transformer, vision_transformer
from torch import nn

import parity_archs
import parity_case

norm = functools.partial(nn.LayerNorm, eps=1e-6)
loose = functools.partial(nn.LayerNorm, eps=1e-5)
vit = functools.partial(vision_transformer.VisionTransformer, **parity_archs.SMALL)
MODELS = {
    "DeiT": lambda: vit(norm_layer=norm),
    "distilled DeiT": lambda: deit.VisionTransformerDistilled(**parity_archs.SMALL, norm_layer=norm),
    "DeiT III": lambda: vit(norm_layer=norm, no_embed_class=True, init_values=1e-4),
    "MAE": lambda: vit(norm_layer=norm, global_pool="avg"),
    "DINO": lambda: vision_transformer.VisionTransformer(**{**parity_archs.SMALL, "num_classes": 0}, norm_layer=norm),
    "CLIP": lambda: vit(norm_layer=loose, pre_norm=True),
    "CaiT": lambda: cait.Cait(**parity_archs.SMALL, norm_layer=norm),
    "ConViT": parity_archs.convit_model,
    "Swin": lambda: swin_transformer.SwinTransformer(img_size=32, patch_size=2, embed_dim=8, depths=(2, 2, 1), num_heads=(1, 2, 4), window_size=4,
                                                     num_classes=5, norm_layer=loose),
}


def main():
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "lua", str(pathlib.Path(__file__).parent / "export.lua"), folder], check=True)
        ours = json.loads((pathlib.Path(folder) / "models.json").read_text())
        if sorted(ours) != sorted(MODELS):
            sys.exit(f"models of export.lua: {sorted(ours)}; here: {sorted(MODELS)}")
        for name, make in MODELS.items():
            model = make()
            model.load_state_dict(load_file(f"{folder}/{name}.safetensors"), strict=True)
            with torch.no_grad():
                logits = model.double().eval()(parity_archs.pictures()).reshape(-1)
            off = (logits - torch.tensor(ours[name]["logits"], dtype=torch.float64)).abs().max().item() / logits.abs().max().item()
            print(f"{name}: largest difference {off:.2g} of the largest logit")
            worst = max(worst, off)
            parity_case.save({"kind": "export", "name": name, "source": f"timm {timm.__version__} with the exported file, float64", "arch": ours[name]["arch"],
                              "settings": ours[name]["settings"], "want": {"logits": logits.tolist()}})
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
