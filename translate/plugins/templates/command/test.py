"""The command writes the page that it should."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from PIL import Image
from translate import ConfigError

from translate_my_plugin import gallery


def test_a_page_of_images(tmp_path: Path) -> None:
    for name in ("b & w.png", "more/colour.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    done = CliRunner().invoke(gallery, [str(tmp_path), "--width", "64"])
    assert done.output == f"{tmp_path / 'index.html'}: 2 images\n"
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<img") == page.count('width="64"') == 2
    assert 'src="b%20%26%20w.png"' in page
    assert "<figcaption>b &amp; w.png</figcaption>" in page
    assert 'src="more/colour.jpg"' in page


def test_a_folder_without_images(tmp_path: Path) -> None:
    done = CliRunner().invoke(gallery, [str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert not (tmp_path / "index.html").exists()
