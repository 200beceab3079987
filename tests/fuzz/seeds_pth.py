"""Seeds for fuzz_pth: what PyTorch itself writes, as pickles and as whole files.

    python seeds_pth.py FOLDER          # needs PyTorch"""

import argparse
import io
import pathlib
import sys
import zipfile

import torch

folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
state = {"a.weight": torch.ones(2, 3), "b": torch.ones(4).half(), "c": torch.arange(3), "p": torch.nn.Parameter(torch.ones(2)), "s": torch.ones(8)[2:5]}
for name, what in {"state": state, "deit": {"model": state, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}, "dino": {"student": state, "teacher": state},
                   "module": torch.nn.Linear(2, 2).state_dict()}.items():
    whole = io.BytesIO()
    torch.save(what, whole)
    (folder / f"{name}.pth").write_bytes(b"\1" + whole.getvalue())
    archive = zipfile.ZipFile(whole)
    pickled = next(n for n in archive.namelist() if n.endswith("data.pkl"))
    (folder / f"{name}.pkl").write_bytes(b"\0" + archive.read(pickled))
