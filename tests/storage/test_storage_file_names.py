"""Names that Windows cannot store."""

import zipfile
from pathlib import Path

import pytest
from data_images import Console

from translate.data.sources import download
from translate.errors import DataError
from translate.storage.file_names import refused_name

REFUSED = [
    "a/CON.png",
    "nul",
    "com1.tar.gz",
    "Aux .txt",
    "x./y.png",
    "a /b.png",
    "a/b ",
    "C:/a.png",
    "a.png:s",
    "a?.png",
]
STORED = ["a/console.png", "com0.png", "com10", "nullable.png", ".hidden", "./a/b.c.png", "ä/日本.png", "a/"]


@pytest.mark.parametrize("path", REFUSED)
def test_windows_refuses_it_and_others_do_not(path: str) -> None:
    assert refused_name(path, windows=True) in path.split("/")
    assert refused_name(path, windows=True)
    assert not refused_name(path, windows=False)


@pytest.mark.parametrize("path", STORED)
def test_every_system_stores_it(path: str) -> None:
    assert not refused_name(path, windows=True)


def test_nothing_of_such_an_archive_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "refused_name", lambda path: refused_name(path, windows=True))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("x/a.png", b"1")
        file.writestr("x/con.png", b"2")
    with pytest.raises(DataError, match=r"x.zip: this system cannot store the name 'con.png'; nothing was unpacked"):
        download.extract(tmp_path / "x.zip", "x", tmp_path / "x", Console())
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
