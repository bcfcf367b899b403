"""Published files of weights: a given file, a download that is kept, and what is told where there is neither."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from translate.errors import ConfigError, DataError
from translate.networks.pretrained.published import Published

CONTENT = b"weights" * 100


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    """A file on a server of our own, and a place for downloads."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "net.pth").write_bytes(CONTENT)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/net.pth"
    yield Published(address, hashlib.sha256(CONTENT).hexdigest()[:8], "700 bytes", "use `ms-ssim`")
    server.shutdown()
    server.server_close()


def test_a_download_is_checked_and_kept(offered: Published, tmp_path: Path) -> None:
    path = offered.path(None)
    assert path.read_bytes() == CONTENT and path.is_relative_to(tmp_path / "home")
    (tmp_path / "site" / "net.pth").unlink()
    assert offered.path(None) == path  # without the server's file


def test_another_file_is_refused_and_not_kept(offered: Published) -> None:
    with pytest.raises(DataError, match=r"invalid hash value.*name it as `weights`, or use `ms-ssim`"):
        replace(offered, sha256="0" * 8).path(None)
    assert not offered.kept.exists() and not list(offered.kept.parent.iterdir())


def test_a_failed_download_says_what_to_do(offered: Published, tmp_path: Path) -> None:
    gone = replace(offered, address=offered.address.replace("net.pth", "gone.pth"))
    with pytest.raises(DataError, match=r"gone\.pth \(700 bytes\): HTTP Error 404.*get the file by other means"):
        gone.path(None)


def test_a_given_file_comes_first(offered: Published, tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    with pytest.raises(ConfigError, match=r"there is no such file; it should be net\.pth, from http://127"):
        offered.path(own)
    own.write_bytes(b"mine")
    assert offered.path(own) == own and not offered.kept.exists()
