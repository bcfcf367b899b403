"""Tables: columns become sides of every type, and every fault of a row is named with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import Console, picture, saved
from data_prepared import packed, png, prepare, source, write_files

from translate.contracts import Class, Frames, Image, Labels, Sides, Vector
from translate.errors import DataError

HEADER = "file,kind,years,x,y,split,patient\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A table of six images."""
    rows = "".join(
        f"photos/{n}.png,{('cat', 'dog', 'cow')[n % 3]},{n}.5,{n},{-n},{'train' if n < 4 else 'validation'},p{n // 2}\n"
        for n in range(6)
    )
    write_files(tmp_path, {f"photos/{n}.png": png(n) for n in range(6)})
    return write_files(tmp_path, {"data.csv": HEADER + rows})


COLUMNS = {
    "image": "file",
    "domain": "kind",
    "age": {"column": "years", "type": "vector"},
    "place": {"column": ["x", "y"], "type": "vector"},
}


def test_columns_become_sides_of_a_prepared_dataset(people: Path, tmp_path: Path) -> None:
    options = {"source": {"uses": "table", "path": str(people / "data.csv"), "columns": COLUMNS, "split": "split"}}
    dataset = prepare(tmp_path / "out", options)
    assert dataset.splits == ("train", "val") and dataset.keys("val", "image") == ["photos/4", "photos/5"]
    assert np.array_equal(dataset.array("val", "image", "photos/5"), picture(6, 8, seed=5))
    sides = dataset.spec((6, 8)).sides
    assert sides["domain"] == Class(("cat", "cow", "dog")) and sides["place"] == Vector(2, ("x", "y"))
    assert dataset.value("val", "domain", "photos/4").item() == 2  # the dog
    assert dataset.value("train", "age", "photos/3").tolist() == [3.5]
    assert dataset.value("train", "place", "photos/3").tolist() == [3, -3]
    assert sides.together == (("image", "domain", "age", "place"),)


def as_json_lines(path: Path) -> Path:
    header, *rows = path.read_text().splitlines()
    lines = []
    for row in rows:
        cells: dict[str, Any] = dict(zip(header.split(","), row.split(","), strict=True))
        cells["where"] = {"x": float(cells.pop("x")), "y": float(cells.pop("y"))}
        lines.append(json.dumps(cells | {"years": float(cells["years"])}))
    other = path.with_suffix(".jsonl")
    other.write_text("\n\n".join(lines) + "\n")
    return other


def as_parquet(path: Path) -> Path:
    from pyarrow import csv, parquet

    other = path.with_suffix(".parquet")
    parquet.write_table(csv.read_csv(path), other, row_group_size=2)
    return other


def test_all_formats_hold_the_same(people: Path, tmp_path: Path) -> None:
    path = people / "data.csv"
    tab = people / "data.tsv"
    tab.write_text(path.read_text().replace(",", "\t"))
    semicolons = people / "semicolons.csv"
    semicolons.write_text("\ufeff" + path.read_text().replace(",", ";"))
    variants: list[dict[str, Any]] = [
        {"path": path},
        {"path": tab},
        {"path": semicolons, "delimiter": ";"},
        {"path": as_parquet(path), "key": "file"},
        {
            "path": as_json_lines(path),
            "columns": COLUMNS | {"place": {"column": ["where.x", "where.y"], "type": "vector"}},
        },
        {"path": packed(tmp_path / "all.zip", {"data.csv": path.read_bytes()}) / "data.csv", "root": people},
    ]
    seen = []
    for variant in variants:
        built = source({"uses": "table", "columns": COLUMNS, "split": "split"} | variant)
        assert built.facts().splits == ("train", "val")
        values = {}
        for record in built.records("train"):
            value = record.load()
            key = record.key.removesuffix(".png")
            values[key, record.side] = value.tolist() if isinstance(value, np.ndarray) else value
        seen.append(values)
    assert len(seen[0]) == 16 and all(values == seen[0] for values in seen)


def test_pairs_label_maps_and_frames(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{name}{n}.png": png(n) for name in "ab" for n in range(2)}
    files |= {f"m{n}.png": saved(np.array([[0, 1], [7, 255]], np.uint8)[..., None], "PNG") for n in range(2)}
    files["t.csv"] = "one,two,map\n" + "".join(f"a{n}.png,b{n}.png,m{n}.png\n" for n in range(2))
    write_files(tmp_path, files)
    pairs = source({"uses": "table", "path": tmp_path / "t.csv", "columns": {"input": "one", "target": "two"}}).facts()
    assert pairs.kind == "paired" and pairs.pairs == {"train"}
    apart = {"uses": "table", "path": tmp_path / "t.csv", "columns": {"a": "one", "b": "two"}, "together": False}
    assert source(apart).facts().kind == "unpaired"
    labels = {"column": "map", "type": "labels", "names": ["sky", "road"], "ignore": 7}
    maps = source({"uses": "table", "path": tmp_path / "t.csv", "columns": {"image": "one", "label": labels}})
    assert maps.facts().kind == "labelled" and maps.facts().classes == ("sky", "road")
    assert isinstance(maps.facts().data["label"], Labels)
    loaded = [record.load() for record in maps.records("train") if record.side == "label"]
    assert loaded[0][..., 0].tolist() == [[0, 1], [255, 255]]
    clips = source({"uses": "table", "path": tmp_path / "t.csv", "columns": {"clip": {"column": ["one", "two"]}}})
    assert clips.facts().data["clip"] == Frames(2)
    assert next(iter(clips.records("train"))).load().shape == (2, 6, 8, 3)


def test_rows_are_chosen_by_other_columns(people: Path) -> None:
    columns = {side: {"column": "file", "where": {"kind": kind}} for side, kind in (("a", "cat"), ("b", "dog"))}
    built = source({"uses": "table", "path": people / "data.csv", "columns": columns, "group": "patient"})
    assert built.facts().kind == "unpaired" and built.facts().data.together == ()
    assert [(r.side, r.key, r.group) for r in built.records("train")] == [
        ("a", "photos/0", "p0"), ("a", "photos/3", "p1"), ("b", "photos/1", "p0"), ("b", "photos/4", "p2"),
    ]  # fmt: skip


def test_empty_cells_of_optional_sides(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{n}.png": png(n) for n in range(3)})
    write_files(tmp_path, {"t.csv": "file,kind\n0.png,cat\n1.png,\n2.png,dog\n"})
    columns = {"image": "file", "domain": {"column": "kind", "optional": True}}
    dataset = prepare(
        tmp_path / "out", {"source": {"uses": "table", "path": str(tmp_path / "t.csv"), "columns": columns}}
    )
    assert dataset.keys("train", "image") == ["0", "1", "2"] and dataset.keys("train", "domain") == ["0", "2"]


def test_classes_by_number_and_by_name(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{n}.png": png(n) for n in range(4)})
    write_files(tmp_path, {"t.csv": "file,kind\n0.png,10\n1.png,9\n2.png,9\n3.png,2\n"})
    numbers = {"uses": "table", "path": tmp_path / "t.csv", "columns": {"image": "file", "c": {"column": "kind"}}}
    with pytest.raises(DataError, match=r"'kind' holds numbers; state `type: vector` or `type: class` for side 'c'"):
        source(numbers).facts()
    numbers["columns"] = {"image": "file", "c": {"column": "kind", "type": "class"}}
    assert source(numbers).facts().data["c"] == Class(("2", "9", "10"))
    numbers["columns"] = {"image": "file", "c": {"column": "kind", "type": "class", "names": list("abcdefghijk")}}
    assert [r.load() for r in source(numbers).records("train") if r.side == "c"] == [10, 9, 9, 2]


def test_all_faults_are_shown_with_their_lines(people: Path) -> None:
    bad = (
        HEADER + "photos/0.png,cat,1,1,1,train,p\n"
        "photos/9.png,cat,1,1,1,train,p\n"
        "photos/1.png,cat,1,1,1,tain,p\n"
        "photos/2.png,cat,many,1,1,train,p\n"
        'photos/3.png,"a cat\nof two lines",1,1,1,train,p\n'
        "photos/4.png,cat\n"
        "https://a.b/5.png,cat,1,1,1,train,p\n"
        "photos/0.png,cat,1,1,1,train,p\n"
        "photos/5.png,cat,1,nan,1,train,p\n"
    )
    (people / "bad.csv").write_text(bad)
    columns = COLUMNS | {"domain": {"column": "kind", "names": ["cat", "dog"]}}
    built = source({"uses": "table", "path": people / "bad.csv", "columns": columns, "split": "split"})
    with pytest.raises(DataError) as error:
        built.facts()
    path = people / "bad.csv"
    assert str(error.value).splitlines() == [
        f"{path}: 8 faults in 9 rows:",
        f"  {path}:8: 2 cells, and the header names 7 columns",
        f"  {path}:3: no file {people / 'photos/9.png'}",
        f"  {path}:4: no split 'tain'; did you mean 'train'?",
        f"  {path}:5: 'many' in column years is no number",
        f"  {path}:6: no class 'a cat\\nof two lines' for side 'domain'; there are cat, dog",
        f"  {path}:9: 'https://a.b/5.png' is an address; download the files, and give their paths",
        f"  {path}:10: the name 'photos/0' again, as in {path}:2; give a column of `key`s",
        f"  {path}:11: nan in column x, y is no finite number",
    ]


def test_rows_that_cannot_be_read_are_named_before_what_their_side_lacks(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{n}.png": png(n) for n in range(3)})
    write_files(tmp_path, {"rows.csv": "file,kind\n0.png,cat\n1.png,dog,brown\n2.png\n"})
    write_files(tmp_path, {"rows.jsonl": '{"file": "0.png", "kind": "cat"}\n{"file": "1.png" "kind": "dog"}\n'})
    for name, places in (("rows.csv", (":3: ", ":4: ")), ("rows.jsonl", (":2: ",))):
        with pytest.raises(DataError) as error:
            source(
                {"uses": "table", "path": str(tmp_path / name), "columns": {"image": "file", "class": "kind"}}
            ).facts()
        assert all(f"{name}{place}" in str(error.value) for place in places), error.value


def test_where_that_chooses_nothing_is_named(people: Path) -> None:
    def facts(**where: Any) -> Any:
        columns = {"a": {"column": "file", "where": where}, "b": {"column": "file", "where": {"kind": "dog"}}}
        return source({"uses": "table", "path": str(people / "data.csv"), "columns": columns}).facts()

    assert list(facts(kind="cat").data) == ["a", "b"]
    with pytest.raises(
        DataError, match=r"data.csv: column 'kind' has no 'cta' \(`where` of side 'a'\); did you mean 'cat'"
    ):
        facts(kind="cta")
    with pytest.raises(DataError, match=r"data\.csv: no row has 'cat' in 'kind' and 'p2' in 'patient'"):
        facts(kind="cat", patient="p2")


def test_only_the_first_faults_are_listed(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"file": "none.png"}\n' * 30 + "[1]\n{\n")
    with pytest.raises(DataError, match=r"32 faults in 32 rows") as error:
        source({"uses": "table", "path": tmp_path / "t.jsonl", "columns": {"image": "file"}}).facts()
    assert "t.jsonl:31: a JSON object is due, and this is a list" in str(error.value)
    assert "t.jsonl:32: not a line of JSON: " in str(error.value) and "and 22 more" in str(error.value)


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", {"image": "file"}, "t.csv: an empty table; its first line names the columns"),
        ("file\n", {"image": "file"}, "t.csv: a table without rows"),
        ("file,file\n", {"image": "file"}, "t.csv:1: two columns are called file"),
        ('file\n"a', {"image": "file"}, "t.csv:2: not a line of CSV: unexpected end of data"),
        ("file\na.png\n", {"image": "flie"}, "t.csv: no column 'flie' (side 'image'); did you mean 'file'?"),
        ("file\na.png\n", {}, "t.csv: name the `columns`: {image: file}; there are file"),
        ("file,k\na.png,x\n", {"image": "file", "d": "k"}, "side 'd' needs two or more classes of different names"),
        ("file,k\na.png,\n", {"image": "file", "d": "k"}, "t.csv: column 'k' of side 'd' is empty"),
        (
            "file,m\na.png,a.png\n",
            {"image": "file", "label": {"column": "m", "type": "labels"}},
            "t.csv: side 'label' is a label map and needs the names of its classes",
        ),
        (
            "file\na.png\n",
            {"image": {"column": "file", "optional": True}},
            "side 'image' holds images, which cannot be `optional`",
        ),
    ],
)
def test_what_is_wrong_with_a_table_as_a_whole(
    text: str, columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_files(tmp_path, {"a.png": png(1), "t.csv": text})
    with pytest.raises(DataError) as error:
        source({"uses": "table", "path": tmp_path / "t.csv", "columns": columns}).facts()
    assert message in str(error.value)


def test_files_in_archives_and_their_absence(tmp_path: Path) -> None:
    file = packed(tmp_path / "photos.zip", {"in/1.png": png(1), "t.csv": b"file\nin/1.png\nin/2.png\n"})
    write_files(tmp_path, {"t.csv": "file\nin/1.png\nin/2.png\n"})
    for path in (tmp_path / "t.csv", file / "t.csv"):
        built = source({"uses": "table", "path": path, "root": file, "columns": {"image": "file"}})
        with pytest.raises(DataError, match=rf"t.csv:3: archive {file} has no member 'in/2.png'; did you mean 'in/1"):
            built.facts()
    (tmp_path / "t.csv").write_text("file\nin/1.png\n")
    built = source({"uses": "table", "path": tmp_path / "t.csv", "root": file, "columns": {"image": "file"}})
    assert built.facts().data == Sides({"image": Image()})
    assert list(built.inputs()) == [tmp_path / "t.csv", file]
    assert np.array_equal(next(iter(built.records("train"))).load(), picture(6, 8, seed=1))


def test_limits_and_splits_of_a_table(people: Path) -> None:
    options = {"uses": "table", "path": people / "data.csv", "columns": {"image": "file"}, "split": "split"}
    built = source(options | {"limit": {"train": 2}, "splits": ["train"]})
    assert [r.key for r in built.records("train")] == ["photos/0", "photos/1"]
    assert list(built.notes()) == ["train: the first 2 of 4 images by name (limit)"]
    with pytest.raises(DataError, match="no split 'test'; there are train, val"):
        source(options | {"splits": ["test"]}).facts()
    with pytest.raises(DataError, match=r"data.csv: no column 'splt' \(`split`\); did you mean 'split'"):
        source(options | {"split": "splt"}).facts()
    with pytest.raises(DataError, match=r"dat.csv: no such table; did you mean 'data.csv'"):
        source(options | {"path": people / "dat.csv"}).facts()
    for option in ("key", "group"):
        with pytest.raises(DataError, match=rf"no column 'pat' \(`{option}`\)"):
            source(options | {option: "pat"}).facts()


def test_a_prepared_table_is_said(people: Path, tmp_path: Path) -> None:
    console = Console()
    source_options = {"uses": "table", "path": str(people / "data.csv"), "columns": COLUMNS}
    prepare(tmp_path / "out", {"source": source_options}, console)
    (title, rows), *_ = console.tables
    assert title == "prepared dataset" and [row[:3] for row in rows][:2] == [
        ["train", "image", 6],
        ["train", "domain", 6],
    ]
