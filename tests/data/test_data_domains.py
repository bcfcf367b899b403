"""Any number of domains: from folders, from a dataset of Hugging Face, from shards of webdataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from data_images import picture
from data_prepared import packed, png, prepare, source, write_files
from pydantic import ValidationError

from translate.contracts import Class, Image, Sides, Source
from translate.data.sources.domains import DomainsConfig
from translate.data.tables.shards import expanded
from translate.errors import ConfigError, DataError

HAIR = ("blond", "brown", "grey")


def keys(built: Source[Any], split: str, side: str = "image") -> list[str]:
    return [record.key for record in built.records(split) if record.side == side]


def classes(built: Source[Any], split: str, side: str = "class") -> list[Any]:
    return [record.load() for record in built.records(split) if record.side == side]


def tree(splits: tuple[str, ...], names: tuple[str, ...] = HAIR, images: int = 2) -> dict[str, bytes | str]:
    return {f"{split}{name}/{n}.png": png(n) for split in splits for name in names for n in range(images)}


# ------------------------------------------------------------------------------------------------------------ folders


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    write_files(tmp_path, tree(("",)))
    folders = {name: str(tmp_path / name) for name in HAIR}
    dataset = prepare(tmp_path / "out", {"source": {"uses": "domains", "domains": folders}})
    assert dataset.keys("train", "image") == [f"{name}/{n}" for name in HAIR for n in range(2)]
    assert dataset.value("train", "class", "grey/1").item() == 2
    assert dataset.spec((6, 8)).sides["class"] == Class(HAIR)
    order = source({"uses": "domains", "domains": dict(reversed(folders.items())), "test": {"blond": folders["blond"]}})
    assert order.facts().data["class"] == Class(("grey", "brown", "blond")) and classes(order, "test") == [2, 2]


@pytest.mark.parametrize("packing", ["folder", "zip", "tar.gz"])
def test_a_root_with_and_without_splits(packing: str, tmp_path: Path) -> None:
    for splits, expected in ((("",), ("train",)), (("train/", "validation/", "test/"), ("train", "val", "test"))):
        root = tmp_path / f"{len(splits)}"
        if packing == "folder":
            write_files(root, tree(splits))
        else:
            root = packed(tmp_path / f"{len(splits)}.{packing}", {k: bytes(v) for k, v in tree(splits).items()})  # type: ignore[arg-type]
        built = source({"uses": "domains", "root": root, "limit": {"train": 1}})
        assert built.facts().splits == expected and built.facts().data["class"] == Class(HAIR)
        assert built.facts().data.together == (("image", "class"),)
        assert keys(built, "train") == ["blond/0", "brown/0", "grey/0"] and classes(built, "train") == [0, 1, 2]
        assert next(iter(built.notes())) == "train/blond: the first 1 of 2 images by name (limit)"
        some = source({"uses": "domains", "root": root, "names": ["grey", "blond"], "sides": ["photo", "hair"]})
        assert some.facts().data == Sides({"photo": Image(), "hair": Class(("grey", "blond"))}, (("photo", "hair"),))


def test_what_is_wrong_with_folders_of_classes(tmp_path: Path) -> None:
    write_files(tmp_path, {**tree(("train/",)), "test/red/1.png": png(1), "one/blond/1.png": png(1)})
    with pytest.raises(DataError, match=r"test/red: class 'red' of 'test' is none of 'train'"):
        source({"uses": "domains", "root": tmp_path}).facts()
    with pytest.raises(DataError, match=r"train: no folder for class 'gray'; did you mean 'grey'"):
        source({"uses": "domains", "root": tmp_path, "names": ["gray", "blond"]}).facts()
    with pytest.raises(DataError, match=r"one: only blond in 'train'; two or more classes are due"):
        source({"uses": "domains", "root": tmp_path / "one"}).facts()
    with pytest.raises(DataError, match=r"absent: no such folder"):
        source({"uses": "domains", "domains": {"a": tmp_path / "absent", "b": tmp_path}}).facts()
    for wrong, message in (
        ({}, "give either `root`, or `domains`"),
        ({"root": "x", "test": {"a": "y"}}, "`val` and `test` go with `domains`"),
        ({"domains": {"a": "x"}, "names": ["a"]}, "`names` goes with `root`"),
        ({"domains": {"cat": "x"}, "val": {"cta": "x"}}, "`val` has 'cta', which is none of `domains`; did you mean"),
        ({"root": "x", "sides": ["a", "a"]}, "both sides are called 'a'"),
    ):
        with pytest.raises(ValidationError, match=message):
            DomainsConfig.model_validate(wrong)


# -------------------------------------------------------------------------------------------------------------- cards


def test_a_card_of_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {**tree(("train/",), ("cat", "dog", "wild")), **tree(("val/",), ("cat", "dog", "wild"), 1)})
    built = source({"uses": "dataset", "name": "afhq", "root": tmp_path})
    assert built.facts().data["class"] == Class(("cat", "dog", "wild")) and built.facts().splits == ("train", "val")
    assert classes(built, "val") == [0, 1, 2] and list(built.notes()) == []
    some = source({"uses": "dataset", "name": "afhq", "root": tmp_path, "domains": ["wild", "cat"]})
    assert keys(some, "val") == ["wild/0", "cat/0"] and classes(some, "val") == [0, 1]
    renamed = {"uses": "dataset", "name": "afhq", "root": tmp_path, "sides": ["image", "class"]}
    assert list(source(renamed).facts().data) == ["image", "class"]
    with pytest.raises(ConfigError, match="dataset 'afhq': `sides` calls both sides 'x'"):
        source(renamed | {"sides": ["x", "x"]})
    with pytest.raises(ConfigError, match="dataset 'afhq' can only be `kind: domains`"):
        source({"uses": "dataset", "name": "afhq", "root": tmp_path, "kind": "paired"})


def test_a_card_of_classes_is_known_before_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRANSLATE_DATA", raising=False)
    absent = source({"uses": "dataset", "name": "afhq"})
    assert absent.facts().data["class"] == Class(("cat", "dog", "wild")) and absent.facts().classes == ()
    some = source({"uses": "dataset", "name": "afhq", "domains": ["wild", "dog"]})
    assert some.facts().data["class"] == Class(("wild", "dog"))
    with pytest.raises(ConfigError, match=r"dataset 'afhq' has no class 'dgo' .`domains`.; did you mean 'dog'"):
        source({"uses": "dataset", "name": "afhq", "domains": ["cat", "dgo"]}).facts()
    with pytest.raises(DataError, match=r"the dataset 'afhq' is not at .*: run `translate datasets fetch afhq`"):
        list(absent.records("train"))


def test_attributes_of_a_card_as_domains(tmp_path: Path) -> None:
    write_files(tmp_path, {f"img_align_celeba/{n}.png": png(n) for n in range(6)})
    table = (
        "6\nBlack Hat Blond\n0.png 1 1 -1\n1.png -1 1 1\n2.png 1 -1 1\n3.png -1 -1 -1\n4.png 1 -1 -1\n5.png -1 1 1\n"
    )
    partition = "".join(f"{n}.png {n // 4}\n" for n in range(6))
    write_files(tmp_path, {"list_attr_celeba.txt": table, "list_eval_partition.txt": partition})
    stated = {"uses": "dataset", "name": "celeba", "root": tmp_path, "domains": ["Blond", "Black"]}
    built = source(stated)
    assert built.facts().data["class"] == Class(("Blond", "Black")) and built.facts().splits == ("train", "val")
    assert (keys(built, "train"), classes(built, "train")) == (["1", "0"], [0, 1])
    assert (keys(built, "val"), classes(built, "val")) == (["5", "4"], [0, 1])
    notes = list(built.notes())
    assert "2 images have none or several of Blond, Black: 2.png, 3.png" in notes
    renamed = source({**stated, "sides": ["photo", "class"]})
    assert list(renamed.facts().data) == ["photo", "class"]
    assert {record.side for record in renamed.records("train")} == {"photo", "class"}
    with pytest.raises(ConfigError, match="calls both sides 'image'"):
        source({**stated, "sides": ["image", "image"]}).facts()
    with pytest.raises(DataError, match=r"list_attr_celeba.txt: no attribute 'Blnd'; did you mean 'Blond'"):
        source(stated | {"domains": ["Blnd", "Black"]}).facts()
    with pytest.raises(ConfigError, match="needs `domains`, the attributes that an image has one of"):
        source(stated | {"domains": [], "kind": "domains"})
    with pytest.raises(ConfigError, match="has no use for `domains`: its layout is side-by-side"):
        source({"uses": "dataset", "name": "maps", "domains": ["a", "b"], "kind": "paired"})


# ------------------------------------------------------------------------------------------------------- Hugging Face


def test_an_image_folder_of_classes(tmp_path: Path) -> None:
    write_files(
        tmp_path, {**tree(("train/",), ("cat", "dog")), **tree(("test/",), ("cat", "dog"), 1), "README.md": "x"}
    )
    built = source({"uses": "huggingface", "root": tmp_path})
    assert built.facts().splits == ("train", "test") and built.facts().data["class"] == Class(("cat", "dog"))
    assert keys(built, "train") == ["cat/0", "cat/1", "dog/0", "dog/1"] and classes(built, "test") == [0, 1]
    flat = source({"uses": "huggingface", "root": write_files(tmp_path / "flat", {"train/1.png": png(1)})})
    assert flat.facts().kind == "single" and keys(flat, "train") == ["1"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_image_folder_with_metadata(form: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        rows = [{"file_name": f"in/{n}.png", "edge_file_name": f"e{n}.png", "kind": "ab"[n]} for n in range(2)]
        text = "\n".join(map(json.dumps, rows))
        if form == "csv":
            text = "\n".join(",".join(row) for row in [rows[0].keys(), *(row.values() for row in rows)])
        files = {f"in/{n}.png": png(n) for n in range(2)} | {f"e{n}.png": png(5 + n) for n in range(2)}
        write_files(tmp_path / split, {**files, f"metadata.{form}": text})
    built = source({"uses": "huggingface", "root": tmp_path})
    assert built.facts().kind == "single" and keys(built, "test") == ["in/0", "in/1"]
    assert list(built.notes()) == [
        f"{tmp_path}: columns that are not read: edge_file_name, kind; name them in `columns`"
    ]
    columns = {"input": "edge_file_name", "target": "file_name"}
    pairs = source({"uses": "huggingface", "root": tmp_path, "columns": columns})
    assert pairs.facts().kind == "paired"
    target = next(record for record in pairs.records("test") if record.side == "target")
    assert target.key == "in/0" and np.array_equal(target.load(), picture(6, 8, seed=0))
    (tmp_path / "test" / "in" / "1.png").unlink()
    with pytest.raises(DataError, match=rf"metadata.{form}:\d: no file {tmp_path}/test/in/1.png"):
        source({"uses": "huggingface", "root": tmp_path}).facts()


def hub(path: Path, first: int, count: int, names: list[str] | None = None) -> Path:
    """A Parquet file as the library `datasets` writes it."""
    images = [{"bytes": png(first + n), "path": f"{first + n}.png"} for n in range(count)]
    table = pyarrow.table({"image": images, "label": [(first + n) % 2 for n in range(count)], "id": list(range(count))})
    features = {"image": {"_type": "Image"}, "label": {"names": names or ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=2)
    return path


def test_parquet_with_images_and_named_classes(tmp_path: Path) -> None:
    hub(tmp_path / "data" / "train-00000-of-00002.parquet", 0, 3)
    hub(tmp_path / "data" / "train-00001-of-00002.parquet", 3, 2)
    hub(tmp_path / "data" / "test-00000-of-00001.parquet", 5, 3)
    built = source({"uses": "huggingface", "root": tmp_path})
    assert built.facts().splits == ("train", "test") and built.facts().data["class"] == Class(("cat", "dog"))
    assert keys(built, "train") == [
        "train-00000-of-00002/000000", "train-00000-of-00002/000001", "train-00000-of-00002/000002",
        "train-00001-of-00002/000000", "train-00001-of-00002/000001",
    ]  # fmt: skip
    images = [record.load() for record in built.records("train") if record.side == "image"]
    assert all(np.array_equal(image, picture(6, 8, seed=n)) for n, image in enumerate(images))
    assert classes(built, "test") == [1, 0, 1]
    assert len(list(built.inputs())) == 3
    assert next(iter(built.records("test"))).origin.endswith("-of-00001.parquet: row 1, column 'image'")
    dataset = prepare(tmp_path / "out", {"source": {"uses": "huggingface", "root": str(tmp_path / "data")}})
    assert np.array_equal(dataset.array("test", "image", "000002"), picture(6, 8, seed=7))


def test_damaged_parquet_and_images_in_it(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match=r"train.parquet: cannot be read as Parquet"):
        source({"uses": "huggingface", "root": tmp_path}).facts()
    table = pyarrow.table({"image": [{"bytes": b"no image", "path": "1.png"}, {"bytes": None, "path": "2.png"}]})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    first, second = source({"uses": "huggingface", "root": tmp_path}).records("train")
    with pytest.raises(DataError, match=r"train.parquet: row 1, column 'image': "):
        first.load()
    with pytest.raises(DataError, match=r"row 2, column 'image': the table holds no bytes .*; it only names '2.png'"):
        second.load()
    hub(tmp_path / "train.parquet", 0, 1)
    hub(tmp_path / "test.parquet", 0, 1, ["cat", "cow"])
    with pytest.raises(DataError, match=r"train.parquet: other names of classes than in .*test.parquet"):
        source({"uses": "huggingface", "root": tmp_path}).facts()
    with pytest.raises(DataError, match=r"no images, no metadata and no Parquet files"):
        source({"uses": "huggingface", "root": write_files(tmp_path / "empty", {"x.txt": "x"})}).facts()


# --------------------------------------------------------------------------------------------------------- webdataset


def shard(path: Path, samples: range, **members: Any) -> Path:
    files = {}
    for n in samples:
        files[f"{n:04d}.jpg"] = png(n)
        files[f"{n:04d}.cls"] = str(n % 3).encode()
        files[f"{n:04d}.json"] = json.dumps({"age": n / 2, "box": {"x": n}}).encode()
    return packed(path, files | {name.replace("_", "."): data for name, data in members.items()})


def test_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    for number in range(3):
        shard(tmp_path / f"s-{number:03d}.tar", range(2 * number, 2 * number + 2))
    shard(tmp_path / "val.tar.gz", range(3))
    shards = {"train": f"{tmp_path}/s-{{000..002}}.tar", "val": f"{tmp_path}/val.tar.gz"}
    built = source({"uses": "webdataset", "shards": shards})
    assert built.facts().splits == ("train", "val") and built.facts().data["class"] == Class(("0", "1", "2"))
    assert keys(built, "train")[:3] == ["s-000/0000", "s-000/0001", "s-001/0002"] and keys(built, "val")[0] == "0000"
    images = [record.load() for record in built.records("train") if record.side == "image"]
    assert all(np.array_equal(image, picture(6, 8, seed=n)) for n, image in enumerate(images))
    assert len(list(built.inputs())) == 4
    columns = {
        "image": "jpg",
        "class": {"column": "cls", "type": "class", "names": ["a", "b", "c"]},
        "age": {"column": ["json.age", "json.box.x"], "type": "vector"},
    }
    dataset = prepare(tmp_path / "out", {"source": {"uses": "webdataset", "shards": shards, "columns": columns}})
    assert dataset.value("train", "age", "s-002/0005").tolist() == [2.5, 5]
    assert dataset.value("train", "class", "s-002/0005").item() == 2
    one = source({"uses": "webdataset", "shards": f"{tmp_path}/s-001.tar"})
    assert one.facts().splits == ("train",) and keys(one, "train") == ["0002", "0003"]


def test_what_is_wrong_with_shards(tmp_path: Path) -> None:
    file = shard(tmp_path / "a.tar", range(2), lonely_jpg=png(1), broken_json=b"{")
    with pytest.raises(DataError) as error:
        source({"uses": "webdataset", "shards": str(file)}).facts()
    assert f"{file}: sample 'broken': member 'broken.json': Expecting" in str(error.value)
    assert f"{file}: sample 'lonely': no value in column cls (side 'class')" in str(error.value)
    with pytest.raises(DataError, match=r"s-2.tar: no such shard \(split 'train'\)"):
        source({"uses": "webdataset", "shards": f"{tmp_path}/s-{{2..3}}.tar"}).facts()
    with pytest.raises(DataError, match=r"x.bin: no tar archive by its suffix"):
        source({"uses": "webdataset", "shards": str(write_files(tmp_path, {"x.bin": "x"}) / "x.bin")}).facts()
    with pytest.raises(DataError, match=r"empty.tar: the shards hold no samples"):
        source({"uses": "webdataset", "shards": str(packed(tmp_path / "empty.tar", {}))}).facts()


def test_patterns_of_shards() -> None:
    assert expanded("s.tar") == ["s.tar"]
    assert expanded("{a}-{08..11}.tar") == ["{a}-08.tar", "{a}-09.tar", "{a}-10.tar", "{a}-11.tar"]
    assert expanded("{0..1}/{0..1}") == ["0/0", "0/1", "1/0", "1/1"]
    for wrong in ("s-{3..2}.tar", "s-{0..999999999}.tar"):
        with pytest.raises(DataError, match=r"stands for .* shards; 1 to 100,000 are read"):
            expanded(wrong)
