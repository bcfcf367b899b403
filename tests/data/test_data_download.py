"""Downloads against a server of our own, and archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from data_images import Console, picture, saved

from translate.data.sources import cards
from translate.data.sources.download import Caps, download, extract
from translate.errors import DataError

BODY = np.random.default_rng(0).bytes(5_000_000)


class Server(ThreadingHTTPServer):
    """Serves one body; `cut` closes the connection after so many bytes of each answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.etag, self.cut, self.fail = BODY, '"one"', None, []
        self.asked: list[tuple[str | None, int]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/data.tar.gz"

    body: bytes
    etag: str
    cut: int | None
    fail: list[int]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        if server.fail:
            self.send_error(server.fail.pop())
            return
        start = 0
        if wanted and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        status = 416 if start >= len(server.body) else 206 if start else 200
        server.asked.append((wanted, status))
        self.send_response(status)
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(server.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(server.body) - start))
        self.end_headers()
        self.wfile.write(server.body[start:][: server.cut])

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_download_with_progress_and_checksum(server: Server, console: Console, tmp_path: Path) -> None:
    target, digest = tmp_path / "deep" / "x.tar.gz", hashlib.sha256(BODY).hexdigest()
    download(server.url, target, console, expected=len(BODY), sha256=digest)
    assert target.read_bytes() == BODY and [p.name for p in target.parent.iterdir()] == ["x.tar.gz"]
    assert console.count == 4 and not console.warned  # whole megabytes


def test_a_cut_connection_is_resumed(server: Server, console: Console, tmp_path: Path) -> None:
    server.cut = 2_000_000
    download(server.url, tmp_path / "x", console, pause=0)
    assert (tmp_path / "x").read_bytes() == BODY
    assert server.asked == [(None, 200), ("bytes=2000000-", 206), ("bytes=4000000-", 206)]


def test_a_later_start_resumes_and_never_joins_two_versions(server: Server, console: Console, tmp_path: Path) -> None:
    server.cut = 600_000
    with pytest.raises(DataError, match="the connection ended at 3,000,000 of 5,000,000 bytes; run the same command"):
        download(server.url, tmp_path / "x", console, pause=0)
    server.asked.clear()
    server.cut, server.etag, server.body = None, '"two"', BODY[::-1]
    download(server.url, tmp_path / "x", console, pause=0)
    assert server.asked == [("bytes=3000000-", 200)] and (tmp_path / "x").read_bytes() == BODY[::-1]


def test_a_part_that_is_already_whole(server: Server, console: Console, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(BODY)
    (tmp_path / "x.part.etag").write_text('"one"')
    download(server.url, tmp_path / "x", console, pause=0)
    assert (tmp_path / "x").read_bytes() == BODY and server.asked == [("bytes=5000000-", 416)]
    (tmp_path / "y.part").write_bytes(BODY + b"more")
    (tmp_path / "y.part.etag").write_text('"one"')
    download(server.url, tmp_path / "y", console, pause=0)
    assert (tmp_path / "y").read_bytes() == BODY


def test_errors_of_the_server(server: Server, console: Console, tmp_path: Path) -> None:
    server.fail = [503]
    download(server.url, tmp_path / "x", console, pause=0)
    server.fail = [404]
    with pytest.raises(DataError, match="the server answers 404"):
        download(server.url, tmp_path / "y", console, pause=0)
    with pytest.raises(DataError, match="only http and https"):
        download((tmp_path / "x").as_uri(), tmp_path / "z", console)
    with pytest.raises(DataError, match="run the same command again"):
        download("http://127.0.0.1:9/x", tmp_path / "z", console, pause=0)


def test_a_wrong_checksum_and_an_unexpected_size(server: Server, console: Console, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wrong checksum: sha256 .* instead of 00; the download was deleted"):
        download(server.url, tmp_path / "x", console, sha256="00")
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.part").exists()
    download(server.url, tmp_path / "x", console, expected=17)
    assert "5,000,000 bytes, while the card says 17" in console.warned[0]


def test_a_full_disk_is_noticed_before(
    server: Server, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2_000_000))
    with pytest.raises(DataError, match="5 MB are needed and 2 MB free"):
        download(server.url, tmp_path / "x", console)


def tar_of(*members: tuple[str, bytes | None, dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def zip_of(*members: tuple[str, bytes, int]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return out.getvalue()


GOOD = ("d/ok.txt", b"fine", {})
LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.tar.gz", tar_of(GOOD, ("../evil", b"x", {})), "outside of its folder"),
        ("x.tar.gz", tar_of(GOOD, ("/tmp/evil", b"x", {})), "outside of its folder"),
        ("x.tar.gz", tar_of(GOOD, ("d/../../evil", b"x", {})), "outside of its folder"),
        ("x.tar.gz", tar_of(GOOD, ("d/link", None, LINK)), "'d/link' is a link or device"),
        ("x.tar.gz", tar_of(GOOD, ("d/hard", None, {**LINK, "type": tarfile.LNKTYPE})), "is a link or device"),
        ("x.tar.gz", tar_of(GOOD, ("d/fifo", None, {"type": tarfile.FIFOTYPE})), "is a link or device"),
        ("x.tar.gz", tar_of(GOOD, GOOD), "cannot be unpacked"),
        ("x.tar.gz", tar_of(GOOD)[:60], "cannot be unpacked"),
        ("x.tar.gz", tar_of(*[(f"d/{n}", b"x", {}) for n in range(9)]), "more than 5 files"),
        ("x.tar.gz", tar_of(("d/big", bytes(5000), {})), "or 4,000 bytes"),
        ("x.tar.gz", tar_of(("e/ok.txt", b"x", {})), "it holds no folder 'd'"),
        ("x.zip", zip_of(("d/ok", b"x", 0o100644), ("../evil", b"x", 0)), "outside of its folder"),
        ("x.zip", zip_of(("d/ok", b"x", 0), ("d\\..\\evil", b"x", 0)), "outside of its folder"),
        ("x.zip", zip_of(("C:/evil", b"x", 0)), "outside of its folder"),
        ("x.zip", zip_of(("d/link", b"/etc/passwd", 0o120777)), "is a link or device"),
        ("x.zip", zip_of(("d/big", bytes(5000), 0)), "or 4,000 bytes"),
        ("x.zip", b"PK not really", "cannot be unpacked"),
    ],
    ids=lambda value: "archive" if isinstance(value, bytes) else None,  # gzip's clock is in its bytes
)
def test_evil_archives_leave_nothing(name: str, data: bytes, words: str, console: Console, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / name).write_bytes(data)
    with pytest.raises(DataError, match=words):
        extract(home / name, "d", home / "data", console, caps=Caps(files=5, bytes=4000))
    assert [p.name for p in tmp_path.rglob("*")] == ["home", name]


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_good_archives_appear_at_once(name: str, console: Console, tmp_path: Path) -> None:
    files = {"d/a.txt": b"one", "d/sub/b.txt": b"two", "other/c.txt": b"three"}
    made = (
        tar_of(*[(n, b, {}) for n, b in files.items()])
        if "tar" in name
        else zip_of(*[(n, b, 0) for n, b in files.items()])
    )
    (tmp_path / name).write_bytes(made)
    extract(tmp_path / name, "d", tmp_path / "data", console)
    found = {p.relative_to(tmp_path / "data").as_posix(): p.read_bytes() for p in (tmp_path / "data").rglob("*.txt")}
    assert found == {"a.txt": b"one", "sub/b.txt": b"two"}


def test_fetch_from_card_to_folder(
    server: Server, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.body = tar_of(("facades/train/1.jpg", saved(picture(4, 8), "JPEG"), {}))
    card = cards.load_card("facades")
    archive = card.archive.model_copy(update={"url": server.url, "bytes": len(server.body)})
    monkeypatch.setattr(cards, "load_card", lambda name: card.model_copy(update={"archive": archive}))
    monkeypatch.setenv("TRANSLATE_DATA", str(tmp_path))
    folder = cards.fetch("facades", None, console)
    assert folder == tmp_path / "facades" and [p.name for p in tmp_path.iterdir()] == ["facades"]
    assert (folder / "train" / "1.jpg").is_file()
    assert "terms: None found" in console.said[0] and "no checksum is published" in console.warned[0]
