"""Files that are no checkpoint are called what they are, with the way out; other containers of weights are read."""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from translate.errors import DataError
from translate.storage import untrusted
from translate.storage.unpickle import RefusedError, read_networks

STATE = {"conv.weight": torch.arange(400.0).reshape(4, 4, 5, 5), "conv.bias": torch.ones(4)}


def saved(value: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def image(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (9, 99, 9)).save(stream, kind)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("latest_net_G.pth")
        archive.addfile(entry, io.BytesIO(b""))
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    return stream.getvalue()


WHOLE, LEGACY, SAFE = saved(STATE), saved(STATE, _use_new_zipfile_serialization=False), safetensors.torch.save(STATE)
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 66957746\n"
KINDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"it is empty \(0 bytes\).*download it again"),
    "zeros": (bytes(3 << 20), "3,145,728 zeros and nothing else.*download it again"),
    "page": (b"<!doctype html><title>Quota exceeded", r'a web page \("Quota exceeded"\).*open the link in a browser'),
    "page after a mark": (b"\xef\xbb\xbf\n  <HTML><head><TITLE>Sign in\n</TITLE>", r'a web page \("Sign in"\)'),
    "page without a title": (b"<html><body>Redirecting", "it is a web page, which a server sent"),
    "page in UTF-16": ("<!DOCTYPE html><title>Anmeldung".encode("utf-16"), r'a web page \("Anmeldung"\)'),
    "server's error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "it is XML .*AccessDenied"),
    "JSON": (b'{"error": "Repository not found"}', "it is JSON, such as a server's error .*Repository not found"),
    "index of parts": (b'{"metadata": {}, "weight_map": {"a": "model-00001-of-2.safetensors"}}', "list of a model's"),
    "not found": (b"404: Not Found", r'it is text \("404: Not Found"\)'),
    "LFS": (LFS.encode(), r"Git LFS pointer of a file of 66,957,746 bytes.*`git lfs pull`"),
    "LFS, other line ends": (LFS.replace("\n", "\r\n").encode(), "Git LFS pointer"),
    "annex": (b"/annex/objects/MD5E-s66957746--aa.pth\n", "git-annex.*`git annex get`"),
    "shortcut": (b"[InternetShortcut]\r\nURL=https://example.org/net.pth\r\n", "it is a link to a web page"),
    "half": (WHOLE[:1000], "such as half a download: 1,000 bytes are here"),
    "nearly whole": (WHOLE[:-1], "such as half a download"),
    "half, legacy": (LEGACY[: len(LEGACY) // 2], "it is truncated, damaged"),
    "half, safetensors": (SAFE[: len(SAFE) // 2], "truncated or damaged file of safetensors, such as half a download"),
    "header alone": (SAFE[:40], "truncated or damaged file of safetensors"),
    "PNG": (image("PNG"), r"it is an image \(PNG\); name the file of the network's weights"),
    "JPEG": (image("JPEG"), r"it is an image \(JPEG\)"),
    "GIF": (image("GIF"), r"it is an image \(GIF\)"),
    "WebP": (image("WEBP"), r"it is an image \(WebP\)"),
    "BMP": (image("BMP"), r"it is an image \(BMP\)"),
    "TIFF": (image("TIFF"), r"it is an image \(TIFF\)"),
    "gzip": (gzip.compress(WHOLE), r"it is a packed file \(gzip\); unpack it"),
    "bzip2": (bz2.compress(WHOLE), r"it is a packed file \(bzip2\); unpack it"),
    "xz": (lzma.compress(WHOLE), r"it is a packed file \(xz\); unpack it"),
    "tar": (tarred(), r"it is an archive \(tar\); unpack it"),
    "zip with a checkpoint": (zipped(models__net_dot_pth=WHOLE), "zip archive with models/net.pth in it; unpack it"),
    "zip of images": (zipped(a_dot_png=image("PNG")), "zip archive with a.png in it, and no file of torch.save"),
    "empty zip": (zipped(), "no file of torch.save|with nothing in it"),
    "office": (zipped(word__document_dot_xml=b"<x/>"), "it is an office document"),
    "arrays": (arrays(), r"it is a file of numpy arrays \(a.npy\)"),
    "array": (b"\x93NUMPY\x01\0v\0{'descr': '<f8'}", "it is an array of numpy"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(range(40)), "it is an HDF5 file, as Keras writes them"),
    "GGUF": (b"GGUF\3\0\0\0" + bytes(range(40)), "it is a GGUF file"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x051.0.0", "it is an ONNX file"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "it is a PDF"),
    "program": (b"MZ\x90\0\3\0\0\0", "it is a program"),
    "plain pickle": (pickle.dumps({"a": list(range(50))}, protocol=2), "it is a pickle, and no file of torch.save"),
    "noise": (bytes(range(256)) * 20, "no file of torch.save"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_checkpoint_is_called_so(kind: str, tmp_path: Path) -> None:
    content, reason = KINDS[kind]
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(RefusedError, match=reason) as refused:
        read_networks(tmp_path / "net.pth")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", [".crdownload", ".part", ".aria2"])
def test_the_name_or_a_neighbour_tells_that_a_download_is_not_finished(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net.pth{suffix}").write_bytes(WHOLE[:2000])
    with pytest.raises(RefusedError, match=rf"its name ends in \{suffix}: the download is not finished"):
        read_networks(tmp_path / f"net.pth{suffix}")
    (tmp_path / "net.pth").write_bytes(WHOLE[:1500])
    with pytest.raises(RefusedError, match=rf"net\.pth\{suffix} lies beside it"):
        read_networks(tmp_path / "net.pth")


# ---------------------------------------------------------------------------------------------- containers of weights


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 5)
        self.inner = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.conv(x))


def same(found: Any, expected: Any) -> bool:
    return set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("how", ["trace", "script", "half", "bfloat16"])
def test_torchscript_gives_its_state_dict(how: str, tmp_path: Path) -> None:
    net = Net().eval()
    if how in ("half", "bfloat16"):
        net = net.half() if how == "half" else net.bfloat16()
    program = torch.jit.trace(net, torch.zeros(1, 4, 9, 9)) if how == "trace" else torch.jit.script(net)
    program.save(str(tmp_path / "net.pt"))
    assert same(read_networks(tmp_path / "net.pt")[""], net.state_dict())


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_frozen_program_has_no_names(tmp_path: Path) -> None:
    torch.jit.freeze(torch.jit.script(Net().eval())).save(str(tmp_path / "net.pt"))
    with pytest.raises(RefusedError, match=r"without named weights: `torch\.jit\.freeze`"):
        read_networks(tmp_path / "net.pt")


def test_a_program_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    """A forged archive: its data name a function of the system."""
    harm = b"\x80\x02cposix\nsystem\nX\x0c\0\0\0touch canaryR."
    content = zipped(net__data_dot_pkl=harm, net__constants_dot_pkl=b"\x80\x02).", net__code___dot_py=b"")
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(RefusedError, match=r"it asks for posix\.system, .*not looked up or run"):
        read_networks(tmp_path / "net.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]


def test_settings_beside_the_weights_are_passed_over(tmp_path: Path) -> None:
    """As Lightning saves them: settings of classes, numbers of numpy, states of optimizers and callbacks."""
    namespace = argparse.Namespace(lr=1e-4, folder=Path("data"))
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2, 2))])
    checkpoint = {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": STATE,
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.1)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
        "hparams_name": "args",
        "hyper_parameters": {"args": namespace, "score": np.float64(0.3), "means": np.zeros(3)},
    }
    torch.save(checkpoint, tmp_path / "last.ckpt")
    found = read_networks(tmp_path / "last.ckpt")
    assert list(found) == ["state_dict"]
    assert same(found["state_dict"], STATE)


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        (lambda: {"G": STATE, "D": STATE}, ["G", "D"]),
        (lambda: {"params": STATE, "params_ema": STATE}, ["params", "params_ema"]),
        (lambda: {"model": {"netG": STATE, "step": 3}, "optimizer": {"state": {0: STATE}}}, ["model.netG"]),
        (lambda: [STATE, {"epoch": 1}, STATE], ["0", "2"]),
        (lambda: {**STATE, "epoch": 7}, [""]),
        (lambda: {"upscaler": STATE, "scaler": STATE, "G_optim": STATE}, ["upscaler"]),
        (lambda: {"best": {"ema": {"generator": STATE}}}, ["best.ema.generator"]),
    ],
)
def test_every_network_has_its_path(content: Callable[[], Any], paths: list[str], tmp_path: Path) -> None:
    torch.save(content(), tmp_path / "net.pth")
    found = read_networks(tmp_path / "net.pth")
    assert list(found) == paths
    assert all(same(state, STATE) for state in found.values())


def test_safetensors_whatever_the_suffix(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "net.pth", {"format": "pt", "about": json.dumps({"scale": 4})})
    assert same(read_networks(tmp_path / "net.pth")[""], STATE)


@pytest.mark.parametrize("content", [SAFE, WHOLE])
def test_names_that_are_bytes(content: bytes, tmp_path: Path) -> None:
    """A file of a Windows zip, whose name is not UTF-8, through the process that reads it."""
    path = tmp_path / os.fsdecode(b"gen\xe9rateur.pth")
    path.write_bytes(content)
    assert same(untrusted.read_networks(path)[""], STATE)
    half = tmp_path / os.fsdecode(b"\xe9.pth")
    half.write_bytes(content[: len(content) // 2])
    (tmp_path / os.fsdecode(b"\xe9.pth.part")).write_bytes(b"")
    with pytest.raises(DataError, match=r"such as half a download: .*\.pth\.part lies beside it"):
        untrusted.read_networks(half)
