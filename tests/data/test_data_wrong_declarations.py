"""A table of wrong declarations of data: each message names the place in the pipeline file, the row, or the file."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from data_images import Console, saved
from data_prepared import packed, png, write_files

from translate.errors import TranslateError
from translate.pipeline import check, run

PIPELINE = """\
version: 1
name: own
tracking: none
stages:
  prepare:
    uses: preprocess
    with:
"""
TRAIN = """\
  train:
    uses: train
    needs: {{data: prepare}}
    with: {{method: {method}}}
"""


@dataclass(frozen=True)
class Wrong:
    """A declaration, as it stands below the `with:` of preprocess, the method that is trained on it, if any, and what
    its message says. `at` is the step that finds it: `check`, before any image is read, or `run`."""

    name: str
    declaration: str
    says: tuple[str, ...]
    method: str = ""
    at: str = "check"


IMAGE = "columns: {image: file}"

WRONG = (
    # What a method needs and the data does not have.
    Wrong(
        "missing side",
        "source: {uses: table, path: good.csv, columns: {image: file}}",
        (
            "own.yaml:12:20: stages.train.with.method",
            "labelled data (image: image with label: labels)",
            "'label' is missing",
        ),
        method="segmentation",
    ),
    Wrong(
        "wrong type of a side",
        "source: {uses: table, path: good.csv, columns: {image: file, label: kind}}",
        ("own.yaml:12:20: stages.train.with.method", "side 'label' is class of an image, not labels"),
        method="segmentation",
    ),
    Wrong(
        "sides of other names",
        "source: {uses: table, path: good.csv, columns: {sketch: file, photo: other}}",
        ("own.yaml:12:20: stages.train.with.method", "side 'input' is missing", "sketch: image with photo: image"),
        method="pix2pix",
    ),
    Wrong(
        "sides that do not belong together",
        "source: {uses: table, path: good.csv, columns: {input: file, target: other}, together: false}",
        ("own.yaml:12:20: stages.train.with.method", "sides 'input' and 'target' do not belong together"),
        method="pix2pix",
    ),
    # What a pipeline file may not say.
    Wrong("unknown source", "source: {uses: tabel, path: good.csv}", ("own.yaml:8:", "did you mean 'table'")),
    Wrong(
        "unknown option",
        "source: {uses: table, path: good.csv, colums: {image: file}}",
        ("own.yaml:8:45: stages.prepare.with.source.colums: unknown key; did you mean 'columns'",),
    ),
    Wrong(
        "unknown type",
        "source: {uses: table, path: good.csv, columns: {image: {column: file, type: imgae}}}",
        ("own.yaml:8:83: stages.prepare.with.source.columns.image.type: must be 'image', 'labels', 'class'",),
    ),
    Wrong(
        "shares of everything",
        "source: {uses: single, root: photos}\n      split: {val: 0.5, test: 0.6}",
        ("own.yaml:9:", "shares of 0.5 and 0.6 leave nothing to train on"),
    ),
    Wrong(
        "a fold that there is not",
        "source: {uses: single, root: photos}\n      split: {folds: 5, fold: 6}",
        ("own.yaml:9:", "fold 6 of 5: folds are counted from 1"),
    ),
    Wrong(
        "a split of splits",
        "source: {uses: table, path: good.csv, columns: {image: file}, split: part}\n      split: {test: 0.5}",
        ("own.yaml:8:", "this one has train, val; leave `split` out"),
    ),
    # Columns.
    Wrong(
        "unknown column",
        "source: {uses: table, path: good.csv, columns: {image: flie}}",
        ("own.yaml:8:", "good.csv: no column 'flie' (side 'image'); did you mean 'file'"),
    ),
    Wrong(
        "unknown column of splits",
        f"source: {{uses: table, path: good.csv, {IMAGE}, split: prat}}",
        ("own.yaml:8:", "good.csv: no column 'prat' (`split`); did you mean 'part'"),
    ),
    Wrong(
        "numbers of no type",
        "source: {uses: table, path: good.csv, columns: {image: file, age: years}}",
        ("own.yaml:8:", "good.csv: column 'years' holds numbers; state `type: vector` or `type: class`"),
    ),
    Wrong(
        "label map without classes",
        "source: {uses: table, path: good.csv, columns: {image: file, label: {column: other, type: labels}}}",
        ("own.yaml:8:", "good.csv: side 'label' is a label map and needs the names of its classes"),
    ),
    # Rows.
    Wrong("unequal rows", f"source: {{uses: table, path: short.csv, {IMAGE}}}", ("short.csv:3: 1 cells, and",)),
    Wrong("missing file", f"source: {{uses: table, path: files.csv, {IMAGE}}}", ("files.csv:3: no file photos/9.png",)),
    Wrong(
        "bad split",
        f"source: {{uses: table, path: parts.csv, {IMAGE}, split: part}}",
        ("parts.csv:2: no split 'trian'; did you mean 'train'", "parts.csv:3: no value in column 'part' (`split`)"),
    ),
    Wrong(
        "class that is not listed",
        "source: {uses: table, path: good.csv, columns: {image: file, c: {column: kind, names: [cat, cow]}}}",
        ("good.csv:3: no class 'dog' for side 'c'; there are cat, cow",),
    ),
    Wrong(
        "class out of range",
        "source: {uses: table, path: kinds.csv, columns: {image: file, c: {column: kind, type: class, names: [x, y]}}}",
        ("kinds.csv:3: class 2 in column 'kind'; there are 2, from 0",),
    ),
    Wrong(
        "number that is none",
        "source: {uses: table, path: numbers.csv, columns: {image: file, age: {column: years, type: vector}}}",
        ("numbers.csv:2: 'old' in column years is no number", "numbers.csv:3: inf in column years is no finite number"),
    ),
    Wrong(
        "empty cell",
        "source: {uses: table, path: empty.csv, columns: {image: file, c: kind}}",
        ("empty.csv:3: no value in column kind (side 'c')",),
    ),
    Wrong(
        "same name twice", f"source: {{uses: table, path: twice.csv, {IMAGE}}}", ("twice.csv:3: the name 'photos/0'",)
    ),
    Wrong(
        "vectors of two sizes",
        "source: {uses: table, path: sizes.jsonl, columns: {image: file, box: box}}",
        ("sizes.jsonl:2: 3 numbers for side 'box', where the first row has 2",),
    ),
    Wrong(
        "broken line of JSON",
        f"source: {{uses: table, path: broken.jsonl, {IMAGE}}}",
        ("broken.jsonl:2: not a line of JSON",),
    ),
    Wrong(
        "absent table", f"source: {{uses: table, path: god.csv, {IMAGE}}}", ("god.csv: no such table; did you mean",)
    ),
    # Archives, Parquet, shards.
    Wrong(
        "absent archive member",
        f"source: {{uses: table, path: files.csv, root: all.zip, {IMAGE}}}",
        ("files.csv:3: archive all.zip has no member 'photos/9.png'",),
    ),
    Wrong(
        "absent folder in an archive",
        "source: {uses: folders, a: all.zip/photos, b: all.zip/drawings}",
        ("own.yaml:8:", "all.zip: no folder 'drawings' in this archive; it holds photos"),
    ),
    Wrong(
        "damaged archive",
        "source: {uses: single, root: cut.tar}",
        ("cut.tar: truncated tar archive: member 'photos/1.png'",),
    ),
    Wrong(
        "name that leads out of an archive",
        "source: {uses: single, root: out.tar}",
        ("out.tar: a member is called '../x.png'",),
    ),
    Wrong(
        "class out of range in Parquet",
        "source: {uses: huggingface, root: hub}",
        ("train.parquet: row 2: class 7 in column 'label'; there are 2, from 0",),
    ),
    Wrong(
        "metadata without names of files",
        "source: {uses: huggingface, root: meta}",
        ("meta/metadata.csv: no column 'file_name'; there are name",),
    ),
    Wrong(
        "sample without a class",
        "source: {uses: webdataset, shards: shard.tar}",
        ("shard.tar: sample '0001': no value in column cls (side 'class')",),
    ),
    Wrong("absent shard", 'source: {uses: webdataset, shards: "s-{0..3}.tar"}', ("s-0.tar: no such shard",)),
    # Folders.
    Wrong(
        "class that training lacks",
        "source: {uses: domains, root: kinds}",
        ("kinds/test/cow: class 'cow' of 'test' is none of 'train'",),
    ),
    Wrong("one domain", "source: {uses: domains, domains: {a: photos}}", ("photos: only a in 'train'",)),
    Wrong("absent folder", "source: {uses: pairs, a: photos, b: drawing}", ("drawing: no such folder; ", "drawings")),
    # What only the images show.
    Wrong(
        "images without partner",
        "source: {uses: pairs, a: photos, b: drawings}",
        ("1 only in photos (3); 1 only in drawings (4)",),
        at="run",
    ),
    Wrong(
        "a pair of two sizes",
        "source: {uses: table, path: good.csv, columns: {input: file, target: other}}",
        ("a pair of two sizes: photos/1.png (8 x 6) and drawings/1.png (5 x 6)",),
        at="run",
    ),
    Wrong(
        "class of a pixel out of range",
        "source: {uses: labelled, images: photos, labels: maps, classes: [sky, road]}",
        ("maps/2.png: there are 2 classes, 0 to 1, and this label map holds 9 (3 pixels)",),
    ),
    Wrong("damaged image", "source: {uses: single, root: damaged}", ("damaged/1.png: truncated PNG",), at="run"),
    Wrong(
        "names without a group",
        'source: {uses: single, root: photos}\n      split: {test: 0.5, group: "^p[0-9]+"}',
        ("photos/0.png: the name '0' does not match `group: ^p[0-9]+`",),
        at="run",
    ),
)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, tables and archives, right and wrong."""
    folder = tmp_path_factory.mktemp("things")
    photos = {f"photos/{n}.png": png(n) for n in range(4)}
    label_map = np.zeros((6, 8, 1), np.uint8)
    odd_map = label_map.copy()
    odd_map[0, :3] = 9
    files: dict[str, bytes | str] = {
        **photos,
        **{f"drawings/{n}.png": png(n, width=5 if n == 1 else 8) for n in (0, 1, 2, 4)},
        **{f"maps/{n}.png": saved(odd_map if n == 2 else label_map, "PNG") for n in range(4)},
        "damaged/0.png": png(0),
        "damaged/1.png": png(1)[:60],
        "good.csv": "file,other,kind,years,part\n"
        "photos/0.png,drawings/0.png,cat,1,train\n"
        "photos/1.png,drawings/1.png,dog,2,val\n",
        "short.csv": "file,kind\nphotos/0.png,cat\nphotos/1.png\n",
        "files.csv": "file\nphotos/0.png\nphotos/9.png\n",
        "parts.csv": "file,part\nphotos/0.png,trian\nphotos/1.png,\n",
        "kinds.csv": "file,kind\nphotos/0.png,1\nphotos/1.png,2\n",
        "numbers.csv": "file,years\nphotos/0.png,old\nphotos/1.png,inf\n",
        "empty.csv": "file,kind\nphotos/0.png,cat\nphotos/1.png,\nphotos/2.png,dog\n",
        "twice.csv": "file\nphotos/0.png\nphotos/0.png\n",
        "sizes.jsonl": '{"file": "photos/0.png", "box": [1, 2]}\n{"file": "photos/1.png", "box": [1, 2, 3]}\n',
        "broken.jsonl": '{"file": "photos/0.png"}\n{"file": \n',
        "meta/metadata.csv": "name\n1.png\n",
        **{f"kinds/train/{kind}/1.png": png(1) for kind in ("cat", "dog")},
        "kinds/test/cow/1.png": png(1),
    }
    write_files(folder, files)
    packed(folder / "all.zip", photos)
    cut = packed(folder / "cut.tar", photos).read_bytes()
    (folder / "cut.tar").write_bytes(cut[: 3 * 512 + 100])
    packed(folder / "out.tar", {"../x.png": png(1)})
    packed(folder / "shard.tar", {"0000.png": png(0), "0000.cls": b"0", "0001.png": png(1), "0002.cls": b"1"})
    table = pyarrow.table({"image": [{"bytes": png(n), "path": ""} for n in range(2)], "label": [0, 7]})
    features = {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}
    (folder / "hub").mkdir()
    metadata = {b"huggingface": json.dumps({"info": features}).encode()}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), folder / "hub" / "train.parquet")
    return folder


def test_there_are_enough() -> None:
    assert len(WRONG) >= 30 and len({wrong.name for wrong in WRONG}) == len(WRONG)


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
def test_a_wrong_declaration_is_named_with_its_place(
    wrong: Wrong, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(things, tmp_path, dirs_exist_ok=True, copy_function=os.link)
    train = TRAIN.format(method=wrong.method) if wrong.method else ""
    (tmp_path / "own.yaml").write_text(f"{PIPELINE}      {wrong.declaration}\n{train}")
    monkeypatch.chdir(tmp_path)
    if wrong.at == "run":
        check("own.yaml")
    with pytest.raises(TranslateError) as error:
        check("own.yaml") if wrong.at == "check" else run("own.yaml", console=Console())  # type: ignore[arg-type]
    message = str(error.value)
    for part in wrong.says:
        assert part in message
    if wrong.at == "check":
        assert message.startswith("own.yaml:") and "stages." in message.splitlines()[0]
