from __future__ import annotations

import csv
import json

import pytest

from kvision.core.errors import DataError
from kvision.data import tables

ROWS = [{"image": "a, b.png", "label": 'the "cat"'}, {"image": "c.png", "label": "dog"}]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "|")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_every_delimiter(tmp_path, name, delimiter, encoding):
    with (tmp_path / name).open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, ["image", "label"], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    assert tables.read(tmp_path / name) == ROWS


def test_spaces_between_and_names_of_columns_that_are_given(tmp_path):
    (tmp_path / "a.csv").write_text("images/1.png  1.0   mono\nimages/2.png  0.0   poly\n")
    columns = ("image", "label", "type")
    assert tables.read(tmp_path / "a.csv", columns) == [
        {"image": "images/1.png", "label": "1.0", "type": "mono"},
        {"image": "images/2.png", "label": "0.0", "type": "poly"},
    ]
    with pytest.raises(DataError, match=r"a.csv:1: has more values than the 2 columns"):
        tables.read(tmp_path / "a.csv", columns[:2])
    (tmp_path / "b.csv").write_text("a.png,cat\n")
    assert tables.read(tmp_path / "b.csv", columns[:2]) == [{"image": "a.png", "label": "cat"}]


def test_json_lines(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join([json.dumps({"image": "a.png", "labels": ["x", "y"]}), "", json.dumps({"image": "b.png"})]))
    assert tables.read(file) == [{"image": "a.png", "labels": ["x", "y"]}, {"image": "b.png", "labels": None}]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet") == ROWS
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"b.parquet: can't be read"):
        tables.read(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "image,label\na.png,cat\nb.png,cat,dog\n", r"a.csv:3: has more values than the 2 columns"),
        ("a.csv", "image,label\na.png\n", r"a.csv:2: has fewer values than the 2 columns"),
        ("a.csv", "image,label\n", r"a.csv: holds no rows"),
        ("a.jsonl", '{"image": 1}\n{"image"\n', r"a.jsonl:2: is no JSON"),
        ("a.jsonl", "[1, 2]\n", r"a.jsonl:1: got \[1, 2\], expected an object"),
        ("a.xlsx", "", r"a.xlsx: is of no kind that can be read; accepted: .csv, .tsv, .txt, .jsonl, .ndjson, .parquet"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        tables.read(tmp_path / name)


def test_a_missing_file_and_one_of_no_text(tmp_path):
    with pytest.raises(DataError, match=r"a.csv: can't be read"):
        tables.read(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"image\n\xff\xfe")
    with pytest.raises(DataError, match=r"a.csv: line 2 is not UTF-8: it holds the byte 0xff"):
        tables.read(tmp_path / "a.csv")


def test_columns(tmp_path):
    rows = [{"Path": "a", " Label ": "b", "extra": "c"}]
    assert tables.column(rows, None, ("image", "path"), "data.image_column", tmp_path) == "Path"
    assert tables.column(rows, None, ("label",), "data.label_column", tmp_path) == " Label "
    assert tables.column(rows, None, ("split",), "data.split_column", tmp_path) is None
    assert tables.column(rows, "extra", ("label",), "data.label_column", tmp_path) == "extra"
    with pytest.raises(DataError, match=r"data.label_column: .* has no column 'extr'; it has Path,  Label , extra; did you mean \"extra\""):
        tables.column(rows, "extr", ("label",), "data.label_column", tmp_path)
