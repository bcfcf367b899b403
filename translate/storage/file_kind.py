"""Says what a file is that was taken for a checkpoint: a web page, a Git LFS pointer, an image, an archive, ..."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

HEAD = 4096
WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".pkl", ".tar", ".t7")
"""Suffixes of files that may hold weights."""
PARTIAL = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".aria2", ".!ut", ".tmp", ".incomplete")
"""Suffixes that browsers and download programs give to files that are not complete yet."""

_AGAIN = "download it again"
_SIGNATURES: Sequence[tuple[int, bytes, str]] = (
    (0, b"\x89PNG\r\n", "it is an image (PNG); name the file of the network's weights"),
    (0, b"\xff\xd8\xff", "it is an image (JPEG); name the file of the network's weights"),
    (0, b"GIF8", "it is an image (GIF); name the file of the network's weights"),
    (8, b"WEBP", "it is an image (WebP); name the file of the network's weights"),
    (0, b"II*\0", "it is an image (TIFF); name the file of the network's weights"),
    (0, b"MM\0*", "it is an image (TIFF); name the file of the network's weights"),
    (0, b"8BPS", "it is an image (Photoshop); name the file of the network's weights"),
    (4, b"ftyp", "it is an image or a film (HEIC, AVIF, MP4); name the file of the network's weights"),
    (0, b"\x1f\x8b", "it is a packed file (gzip); unpack it, and import what is inside"),
    (0, b"BZh", "it is a packed file (bzip2); unpack it, and import what is inside"),
    (0, b"\xfd7zXZ\0", "it is a packed file (xz); unpack it, and import what is inside"),
    (0, b"\x28\xb5\x2f\xfd", "it is a packed file (Zstandard); unpack it, and import what is inside"),
    (0, b"7z\xbc\xaf\x27\x1c", "it is an archive (7z); unpack it, and import the file of weights inside"),
    (0, b"Rar!", "it is an archive (RAR); unpack it, and import the file of weights inside"),
    (257, b"ustar", "it is an archive (tar); unpack it, and import the file of weights inside"),
    (0, b"\x89HDF", "it is an HDF5 file, as Keras writes them; weights of PyTorch are read alone"),
    (0, b"GGUF", "it is a GGUF file; weights of PyTorch are read alone: look for a .safetensors or .pth of this model"),
    (0, b"\x93NUMPY", "it is an array of numpy (.npy), and not the named tensors of a network"),
    (4, b"TFL3", "it is a model of TensorFlow Lite; weights of PyTorch are read alone"),
    (4, b"PTMF", "it is a model for mobile phones, whose tensors have no names; save its `state_dict()` instead"),
    (0, b"%PDF", "it is a PDF; name the file of the network's weights"),
    (0, b"\x7fELF", "it is a program, and no checkpoint; name the file of the network's weights"),
    (0, b"MZ", "it is a program, and no checkpoint; name the file of the network's weights"),
    (0, b"SQLite format 3", "it is a database, and no checkpoint; name the file of the network's weights"),
)
TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19."
"""The number with which files of `torch.save` begin that are no archives (before torch 1.6)."""


def reason_against(path: Path) -> str | None:
    """Says what a file is, and what to do, where its first bytes show that it is no checkpoint; else None."""
    size = path.stat().st_size
    if not size:
        return f"it is empty (0 bytes), as a download that failed leaves it; {_AGAIN}"
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not any(head):
            rest = any(any(block) for block in iter(lambda: file.read(1 << 20), b""))
            if not rest:
                return f"it holds {size:,} zeros and nothing else: a download that was never filled; {_AGAIN}"
    for offset, signature, sentence in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return sentence
    if head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == size:
        return "it is an image (BMP); name the file of the network's weights"
    if head[:1] == b"\x08" and (path.suffix.lower() == ".onnx" or b"pytorch" in head[:64] or b"onnx" in head[:64]):
        return "it is an ONNX file, whose tensors are part of a program; import the .pth that it was made from"
    text = _text(head)
    return None if text is None else _of_text(text, size)


def unfinished(path: Path) -> str:
    """A hint for a file that cannot be read, where its name or a neighbour shows that its download is not finished."""
    if path.suffix.lower() in PARTIAL:
        return f"; its name ends in {path.suffix}: the download is not finished, or was broken off"
    for suffix in PARTIAL:
        if path.with_name(path.name + suffix).exists():
            return f"; {path.name + suffix} lies beside it: the download is not finished, or was broken off"
    return f"; {_AGAIN}, and compare the sizes"


def reason_against_archive(archive: zipfile.ZipFile) -> str | None:
    """Says what is in a zip archive that `torch.save` did not write; None for one that it wrote."""
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if any(name.rpartition("/")[2] == "data.pkl" and name.count("/") <= 1 for name in names):
        return None
    weights = [name for name in names if name.lower().endswith(WEIGHTS) and not name.startswith("__MACOSX")]
    if weights:
        return f"it is a zip archive with {_list(weights)} in it; unpack it, and import the file of weights"
    if names and all(name.endswith(".npy") for name in names):
        return f"it is a file of numpy arrays ({_list(names)}); save a `state_dict()` by torch.save or as safetensors"
    if any(name.startswith("word/") or name.startswith("xl/") or name.startswith("ppt/") for name in names):
        return "it is an office document; name the file of the network's weights"
    if "config.json" in names and any(name.endswith(".h5") for name in names):
        return "it is a model of Keras; weights of PyTorch are read alone"
    if any(name.rpartition("/")[2] == "archive_format" for name in names):
        return "it is a program of torch.export, and not the weights of one network; save its `state_dict()` instead"
    inside = f"with {_list(names)} in it" if names else "with nothing in it"
    return f"it is a zip archive {inside}, and no file of torch.save; name the file of the network's weights"


def _of_text(text: str, size: int) -> str:
    start = text.lstrip().lower()
    if start.startswith("version https://git-lfs"):
        there = re.search(r"^size (\d+)", text, re.MULTILINE)
        of = f" of a file of {int(there[1]):,} bytes" if there else ""
        return f"it is the Git LFS pointer{of}, and not the file; run `git lfs pull` in its repository, or {_AGAIN}"
    if "/annex/objects/" in text and size < HEAD:
        return "it is a pointer of git-annex, and not the file; run `git annex get` in its repository"
    if start.startswith(("<!doctype html", "<html", "<head", "<script")):
        title = re.search(r"<title[^>]*>(.*?)(?:</title|$)", text, re.IGNORECASE | re.DOTALL)
        named = f" ({_quoted(title[1])})" if title and title[1].strip() else ""
        return (
            f"it is a web page{named}, which a server sent in place of the file; "
            "open the link in a browser, and save the file that it leads to"
        )
    if start.startswith("<"):
        return f"it is XML ({_quoted(text)}), such as a server's error, and no checkpoint; {_AGAIN}"
    if start.startswith(("{", "[{")) or start == "[" or start.startswith('["'):
        parts = ", the list of a model's parts" if '"weight_map"' in text else ", such as a server's error"
        return f"it is JSON{parts} ({_quoted(text)}), and no checkpoint; name the file of the network's weights"
    if "[internetshortcut]" in start:
        return "it is a link to a web page; open it, and save the file that it leads to"
    return f"it is text ({_quoted(text)}), and no file of torch.save; name the file of the network's weights"


def _text(head: bytes) -> str | None:
    """The first bytes as text; None where they are none."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character that the end of `head` cuts is no fault
            return None
        text = head[: error.start].decode(encoding)
    odd = sum(not (letter.isprintable() or letter in "\r\n\t\f") for letter in text)
    return None if odd else text


def _quoted(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return f'"{line[:60]}..."' if len(line) > 60 else f'"{line}"'


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
