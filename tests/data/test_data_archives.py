"""Archives are read where they lie: as folders of images, from any thread, and with a message for all that is wrong."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from data_images import picture, saved
from data_prepared import packed, png

from translate.data.sources.folders import Folders, Pairs, SideBySide
from translate.data.sources.labelled import Labelled
from translate.data.sources.listing import list_images, require_folder
from translate.data.sources.single import Single
from translate.errors import DataError
from translate.imaging.io import probe, read
from translate.storage.archives import Archive, archive_at, archive_file, file_exists, folders_in, read_member
from translate.storage.archives.gzip_random import POINTS, GzipRandom
from translate.storage.archives.paths import open_archive

Pack = Callable[..., Path]
FORMATS = ("zip", "tar", "tar.gz")


@pytest.fixture
def sets(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an archive of two sets in the format of its suffix."""

    def make(suffix: str) -> Path:
        files = {
            f"data/{split}{side}/{n}.png": png(n) for split in ("train", "test") for side in "AB" for n in range(3)
        }
        return packed(tmp_path / f"sets.{suffix}", {**files, "data/README": b"x", "__MACOSX/data/._1.png": b"x"})

    return make


@pytest.mark.parametrize("suffix", FORMATS)
def test_layouts_of_folders_are_found_in_archives(suffix: str, sets: Callable[[str], Path]) -> None:
    file = sets(suffix)
    source = Folders(Folders.Config(root=file / "data"))
    assert source.facts().splits == ("train", "test") and list(source.inputs()) == [file]
    records = list(source.records("train"))
    assert [(r.side, r.key) for r in records] == [(side, str(n)) for side in "ab" for n in range(3)]
    assert records[1].origin == str(file / "data" / "trainA" / "1.png")
    assert np.array_equal(records[1].load(), picture(6, 8, seed=1))
    assert folders_in(file / "data") == ["testA", "testB", "trainA", "trainB"] and folders_in(file) == ["data"]
    assert probe(file / "data/trainA/0.png").width == 8


def test_every_layout_takes_an_archive(tmp_path: Path) -> None:
    halves = saved(np.concatenate([picture(6, 8, seed=1), picture(6, 8, seed=2)], axis=1), "PNG")
    file = packed(tmp_path / "p.zip", {"train/1.png": halves, "val/2.png": halves})
    assert SideBySide(SideBySide.Config(root=file)).facts().splits == ("train", "val")
    assert [r.key for r in Single(Single.Config(root=file)).records("val")] == ["2"]
    maps = {"train/1.png": png(1), "trainannot/1.png": saved(np.zeros((6, 8, 1), np.uint8), "PNG")}
    maps["classes.txt"] = b"sky\nroad\n"
    labelled = packed(tmp_path / "l.tar", maps)
    source = Labelled(Labelled.Config(root=labelled, classes=labelled / "classes.txt"))
    assert source.facts().classes == ("sky", "road") and list(source.inputs()) == [labelled]
    assert [r.load().shape for r in source.records("train")] == [(6, 8, 3), (6, 8, 1)]
    a, b = packed(tmp_path / "a.zip", {"1.png": png(1)}), packed(tmp_path / "b.tgz", {"1.png": png(2)})
    assert [r.side for r in Pairs(Pairs.Config(a=a, b=b)).records("train")] == ["input", "target"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_threads_read_at_the_same_time(suffix: str, tmp_path: Path) -> None:
    draw = random.Random(3)
    contents = {f"{n}.bin": draw.randbytes(draw.randrange(200_000)) for n in range(60)}
    file = packed(tmp_path / f"many.{suffix}", contents)
    names = [draw.choice(list(contents)) for _ in range(400)]
    with ThreadPoolExecutor(8) as pool:
        for name, data in zip(names, pool.map(lambda name: read_member(file / name, 1 << 30), names), strict=True):
            assert data == contents[name]


def test_gzip_is_read_from_the_nearest_point(tmp_path: Path) -> None:
    plain = random.Random(1).randbytes(300_000) + bytes(5_000_000) + random.Random(2).randbytes(300_000)
    half = len(plain) // 2
    path = tmp_path / "two.gz"  # two members and padding, as some tools write it
    path.write_bytes(gzip.compress(plain[:half]) + gzip.compress(plain[half:]) + bytes(512))
    data = GzipRandom(path, spacing=1000)
    read_at = data.sequential()
    assert read_at(10, 300) == plain[10:310] and read_at(half - 5, 10) == plain[half - 5 : half + 5]
    assert read_at(len(plain) - 3, 9) == plain[-3:] and data.size == len(plain)
    assert 2 < len(data._points) <= POINTS
    for offset in (0, 299_990, half - 1, half, len(plain) - 7, len(plain) + 5):
        assert data.read_at(offset, 40) == plain[offset : offset + 40]


def test_points_of_gzip_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.storage.archives.gzip_random.POINTS", 8)
    plain = random.Random(1).randbytes(4_000_000)
    (tmp_path / "x.gz").write_bytes(zlib.compress(plain, wbits=31))
    data = GzipRandom(tmp_path / "x.gz", spacing=1)
    data.sequential()(len(plain), 1)
    assert 4 <= len(data._points) <= 8
    assert data.read_at(3_999_990, 100) == plain[3_999_990:]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_in_tar(form: int, tmp_path: Path) -> None:
    names = ["a" * 90 + "/" + "b" * 60 + ".png", "plain.png"]
    if form != tarfile.USTAR_FORMAT:
        names += ["d" * 300 + ".png", "ü/日本.png"]
    file = tmp_path / "names.tar"
    with tarfile.open(file, "w", format=form) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in names:
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mtime = 5, 1.5  # type: ignore[assignment]  # half a second makes a pax header
            tar.addfile(info, io.BytesIO(name.encode()[:5].ljust(5)))
    archive = open_archive(file)
    assert list(archive.members) == names
    assert all(archive.read(name, 10) == name.encode()[:5].ljust(5) for name in names)


@pytest.mark.parametrize("suffix", FORMATS)
def test_names_that_lead_out_are_refused(suffix: str, tmp_path: Path) -> None:
    for number, name in enumerate(("../x.png", "/etc/x.png", "a/../../x.png", "a\\x.png")):
        file = packed(tmp_path / f"{number}.{suffix}", {"fine.png": b"", name: b""})
        with pytest.raises(DataError, match=r"\.(zip|tar|tar\.gz): a member is called .*x.png'; names in it must be"):
            list_images(file)
    twice = packed(tmp_path / f"twice.{suffix}", {"1.png": b"", "./1.png": b""})
    with pytest.raises(DataError, match=r"two members are called '1.png'"):
        list_images(twice)


def test_links_and_sparse_files_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        info = tarfile.TarInfo("x.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    info_zip = zipfile.ZipInfo("x.png")
    info_zip.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(info_zip, "/etc/passwd")
    for name in ("link.tar", "link.zip"):
        with pytest.raises(DataError, match=rf"{name}: member 'x.png' is a link or a device"):
            list_images(tmp_path / name)
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_pax("y.png", {"GNU.sparse.major": "1"}))
    with pytest.raises(DataError, match="holds sparse files"):
        list_images(tmp_path / "sparse.tar")


def _pax(name: str, headers: dict[str, str]) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.pax_headers = headers
    return info


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_absent_is_named_with_its_archive(suffix: str, sets: Callable[[str], Path]) -> None:
    file = sets(suffix)
    with pytest.raises(DataError, match=rf"sets.{suffix}: it has no member 'data/trainA/7.png'; did you mean"):
        read(file / "data/trainA/7.png")
    with pytest.raises(DataError, match=rf"sets.{suffix}: no folder 'trainA' in this archive; it holds data"):
        require_folder(file / "trainA")
    with pytest.raises(DataError, match="'data/README' is a file in it; archives within archives are not read"):
        read(file / "data/README/1.png")
    assert not file_exists(file / "nothing.png") and file_exists(file / "data/README")
    assert archive_file(file / "x") == file and archive_file(file.parent) is None
    assert archive_at(file.parent / "absent" / "x.png") is None


def test_damaged_and_short_archives_are_named(tmp_path: Path) -> None:
    noise = {"a.png": random.Random(5).randbytes(300_000), "b.png": random.Random(6).randbytes(300_000)}
    for suffix in FORMATS:
        whole = packed(tmp_path / f"whole.{suffix}", noise).read_bytes()
        for keep in (0.3, 0.9):
            part = tmp_path / f"{keep}.{suffix}"
            part.write_bytes(whole[: int(len(whole) * keep)])
            with pytest.raises(DataError, match=rf"{keep}.{suffix}: .*(truncated|damaged)"):
                open_archive(part)
        broken = bytearray(whole)
        broken[200_000:200_100] = bytes(100)
        (tmp_path / f"broken.{suffix}").write_bytes(broken)
        if suffix != "tar":  # a plain tar has no checksum of contents; decoders notice
            with pytest.raises(DataError, match=rf"broken.{suffix}: "):
                open_archive(tmp_path / f"broken.{suffix}").read("a.png", 1 << 30)
    (tmp_path / "text.tar").write_bytes(b"no archive at all" * 100)
    with pytest.raises(DataError, match=r"text.tar: damaged or truncated tar archive: .* \(header at byte 0\)"):
        open_archive(tmp_path / "text.tar")


def test_limits_count_in_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = packed(tmp_path / "big.zip", {"zeros.bmp": bytes(2_000_000), "1.png": png(1)})
    with pytest.raises(DataError, match=r"big.zip: member 'zeros.bmp' has 2,000,000 bytes, more than the limit of 999"):
        read_member(file / "zeros.bmp", 999)
    long = packed(tmp_path / "long.tar", {"x" * 5000 + ".png": b""})
    monkeypatch.setattr("translate.storage.archives.tar_archive._TEXT", 4000)
    with pytest.raises(DataError, match=r"long.tar: a header of 5,\d+ bytes, more than the limit of 4,000"):
        open_archive(long)
    monkeypatch.setattr("translate.storage.archives.archive.MEMBERS", 3)
    many = packed(tmp_path / "many.tar", {f"{n}.png": b"" for n in range(4)})
    with pytest.raises(DataError, match=r"many.tar: more than 3 members"):
        open_archive(many)


def test_a_zip_that_lies_about_a_size_gives_no_more(tmp_path: Path) -> None:
    data = packed(tmp_path / "lie.zip", {"a.png": bytes(100_000)}).read_bytes()
    lie = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "lie.zip").write_bytes(lie)
    with pytest.raises(DataError, match=r"member 'a.png' cannot be read: Bad CRC"):
        open_archive(tmp_path / "lie.zip").read("a.png", 1 << 20)


def test_an_archive_that_changes_is_listed_anew(tmp_path: Path) -> None:
    file = packed(tmp_path / "x.tar", {"1.png": b"one"})
    assert list(_members(file)) == ["1.png"]
    packed(file, {"1.png": b"one", "2.png": b"two"})
    assert list(_members(file)) == ["1.png", "2.png"]


def _members(file: Path) -> dict[str, object]:
    archive: Archive = open_archive(file)
    return dict(archive.members)
