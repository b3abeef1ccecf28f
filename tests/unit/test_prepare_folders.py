"""A folder of one's own texts as people have them: what is read, what is left out with a sentence,
and a validation part of a sensible size."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

import labs

LINES = [f"line {number}: {labs.SENTENCES[number % 5]}" for number in range(900)]
TEXT = "\n".join(LINES) + "\n"  # about 40 KB


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("folders"))


def as_lines(*texts: str) -> str:
    return "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)


def documents(lab: labs.Lab, path: Path) -> dict[str, list[str]]:
    return dict(lab.fixed.custom.Custom(path).splits)


def read_all(lab: labs.Lab, path: Path) -> str:
    parts = documents(lab, path)
    return "".join(sorted(parts["train"] + parts["val"]))


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"book.txt": TEXT, "note.txt": "7 bytes"},
        {"book.txt": TEXT, **{f"{n}.txt": f"{n}" for n in range(30)}},
        {"book.jsonl": as_lines(TEXT, "tiny")},
        {"alone.jsonl": as_lines(TEXT)},
        {"a.jsonl": as_lines(TEXT, TEXT[::-1])},
        {"one.txt": TEXT.replace("\n", " "), "two.md": "狐" * 500},
        {"small.txt": TEXT[:1200], "smaller.txt": TEXT[5000:5100]},
    ],
    ids=["7-bytes", "many-tiny", "one-long", "alone", "two-long", "one-line", "small"],
)
def test_validation_has_a_sensible_size(
    lab: labs.Lab, tmp_path: Path, files: dict[str, str]
) -> None:
    """Between half and all of what is wanted, whatever the documents' lengths; nothing is lost and
    nothing stands on both sides."""
    parts = documents(lab, write_files(tmp_path, files))
    size = {side: sum(len(text.encode()) for text in texts) for side, texts in parts.items()}
    whole = size["train"] + size["val"]
    want = max(0.05 * whole, min(2000, whole // 4))

    assert want / 2 - 4 <= size["val"] <= want
    assert not set(parts["train"]) & set(parts["val"])
    assert whole >= 0.95 * sum(len(text.encode()) for text in files.values())


def test_short_documents_are_never_cut(lab: labs.Lab, tmp_path: Path) -> None:
    """Where whole documents make a validation part, it has whole documents."""
    texts = [f"{number} {labs.SENTENCES[number % 5]}" for number in range(900)]
    file = tmp_path / "texts.jsonl"
    file.write_text(as_lines(*texts), "utf-8")
    parts = documents(lab, file)

    assert sorted(parts["train"] + parts["val"]) == sorted(texts)


def test_folders_of_tools_are_left_out(
    lab: labs.Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hidden folders, environments under any name, and what package managers fetch are no text."""
    left_out = (".git/config", ".venv/x.py", "node_modules/a/b.js", "a/__pycache__/x.txt")
    named = {"env/pyvenv.cfg": "home = x", "env/lib/mod.py": "SECRET", "a/.hidden.txt": "SECRET"}
    folder = write_files(
        tmp_path, {"a/text.txt": TEXT, **dict.fromkeys(left_out, "SECRET"), **named}
    )

    assert "SECRET" not in read_all(lab, folder)
    assert (
        "folders of tools: .git, .venv, __pycache__, env, node_modules" in capsys.readouterr().out
    )


def parquet(column: str, values: list[Any], folder: Path) -> bytes:
    file = folder / "made"
    pyarrow.parquet.write_table(pyarrow.table({"id": range(len(values)), column: values}), file)
    data = file.read_bytes()
    file.unlink()
    return data


def cases(folder: Path) -> dict[str, bytes]:
    """The same two documents, `Fox 1` and `Plum 2`, in files of many kinds."""
    objects = [{"text": "Fox 1"}, {"text": None}, {"text": "Plum 2"}]
    lines = "".join(json.dumps(each) + "\n" for each in objects).encode()
    frozen = folder / "frozen"
    with pyarrow.output_stream(str(frozen), compression="zstd") as stream:
        stream.write(lines)
    zstd = frozen.read_bytes()
    frozen.unlink()
    return {
        "a.jsonl": lines,
        "a.JSONL": lines,
        "a.ndjson": lines.replace(b"\n", b"\r\n"),
        "bom.jsonl": b"\xef\xbb\xbf" + lines,
        "cut.jsonl": lines + b'{"text": "and th',
        "a.jsonl.gz": gzip.compress(lines),
        "A.JSON.GZ": gzip.compress(json.dumps(objects).encode()),
        "a.jsonl.zst": zstd,
        "list.json": json.dumps(objects).encode(),
        "data.json": json.dumps({"version": 1, "data": objects}).encode(),
        "column.json": json.dumps({"text": ["Fox 1", "Plum 2"]}).encode(),
        "lines.json": lines,
        "a.csv": b'id,text\n1,Fox 1\n2,\n3,"Plum 2"\n',
        "semicolon.CSV": b"\xef\xbb\xbfText;id\r\nFox 1;1\r\nPlum 2;2\r\n",
        "a.tsv": b"id\ttext\n1\tFox 1\n2\tPlum 2\n",
        "cut.csv": b'id,text\n1,Fox 1\n2,Plum 2\n3,"and th',
        "a.PARQUET": parquet("text", ["Fox 1", None, "Plum 2"], folder),
        "list.parquet": parquet("text", [["Fox 1"], ["Plum 2"]], folder),
        "content.parquet": parquet("content", ["Fox 1", "Plum 2"], folder),
        "talk.jsonl": b'{"text": [{"role": "x", "content": "Fox 1"}]}\n{"content": "Plum 2"}\n',
    }


def test_every_kind_of_file_is_read_as_what_it_is(lab: labs.Lab, tmp_path: Path) -> None:
    """Endings without regard to case, packed or not, with a mark at the start, a null or a cut
    last line: the two documents and nothing else."""
    read = lab.fixed.textfiles.file_texts
    for name, data in cases(tmp_path).items():
        file = tmp_path / name
        file.write_bytes(data)

        assert (name, read(file)) == (name, ["Fox 1", "Plum 2"])


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("bad.jsonl", b'{"text": "BAD"}\n{"text": "BAD\n{"text": "BAD"}\n', "line 2"),
        ("other.jsonl", b'{"text": "BAD"}\n{"txt": "BAD"}\n', "line 2: neither a string"),
        ("half.jsonl", b'{"text": "BAD \\ud800"}\n', "half a letter"),
        ("settings.json", b'{"name": "BAD", "size": 3}', "neither a string"),
        ("table.csv", b"id,name\n1,BAD\n", "no column `text`; it has id, name"),
        ("cut.parquet", b"PAR1 BAD", "cannot be read as parquet"),
        ("cut.txt.gz", gzip.compress(b"BAD" * 5000, mtime=0)[:-20], "cannot be unpacked"),
        ("not.gz", b"BAD", "cannot be unpacked"),
        ("latin.txt", "BAD ä".encode("latin-1"), "not UTF-8"),
        ("zeros.txt", b"BAD\0\0\0", "zero bytes"),
    ],
)
def test_one_bad_file_is_told_and_left_out(
    lab: labs.Lab,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    data: bytes,
    sentence: str,
) -> None:
    """The other files are read; a file that is bad counts in no part."""
    folder = write_files(tmp_path, {"good.txt": TEXT, name: data})

    assert "BAD" not in read_all(lab, folder)
    said = capsys.readouterr().out
    assert "left out" in said and name in said and sentence in said
