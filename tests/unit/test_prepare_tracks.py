"""Tracks: their names and ids, the offline sources, the user's own text, damage and what is
said about it.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import msgspec
import pyarrow
import pyarrow.parquet
import pytest

import labs
from autoresearch.researcher import config


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("tracks"))


@pytest.fixture()
def custom(lab: labs.Lab) -> list[str]:
    data = labs.write_texts(lab.folder / "texts")
    return ["--track", "custom", "--data", str(data), "--vocab-size", "260", "--seq-len", "16"]


@pytest.mark.parametrize(
    ("name", "budget_s", "want"),
    [
        ("pystd", None, ("pystd", 60.0, "pystd")),
        ("pystd-20s", None, ("pystd", 20.0, "pystd-20s")),
        ("pystd-60s", None, ("pystd", 60.0, "pystd")),
        ("stories", 7.5, ("stories", 7.5, "stories-7.5s")),
        ("climbmix", None, ("climbmix", 300.0, "climbmix")),
    ],
)
def test_a_budget_is_part_of_the_name(
    lab: labs.Lab, name: str, budget_s: float | None, want: tuple[str, float, str]
) -> None:
    """Another budget is another, clearly named track."""
    assert lab.fixed.tracks.parse_name(name, budget_s) == want


@pytest.mark.parametrize("name", ["web", "pystd-20", "pystd-0s", "../pystd", ""])
def test_an_unknown_track_is_a_sentence(lab: labs.Lab, name: str) -> None:
    """Names that are none, and budgets that cannot be."""
    with pytest.raises(lab.prepare.PrepareError, match=r"no track|no sense"):
        lab.fixed.tracks.parse_name(name)


def test_budgets_share_the_data_and_not_the_id(lab: labs.Lab, custom: list[str]) -> None:
    """`--budget-s` makes a separate track at once, on the same prepared folder."""
    a, b = lab.prepared(*custom), lab.prepared(*custom, "--budget-s", "5")

    assert (a.name, b.name) == ("custom", "custom-5s")
    assert a.folder == b.folder and a.id != b.id


def test_preparing_twice_does_nothing_new(lab: labs.Lab, custom: list[str]) -> None:
    """The second call finds everything there and leaves it alone."""
    before = lab.prepared(*custom)
    made = (before.folder / "train.bin").stat().st_mtime_ns

    assert lab.prepared(*custom).id == before.id
    assert (before.folder / "train.bin").stat().st_mtime_ns == made


def test_stories_are_the_same_everywhere(lab: labs.Lab) -> None:
    """The generator uses integers of its own: these hashes hold on every machine and Python."""
    stories = lab.fixed.stories.Stories()
    texts = [next(stories.tell(split)) for split in ("train", "val")]

    assert [lab.fixed.pystd.path_hash(text)[:12] for text, _ in texts] == [
        "11f0a66caf6a",
        "68106dccd9aa",
    ]


def test_every_choice_of_a_story_can_be_read_off_it(lab: labs.Lab) -> None:
    """Each line fits exactly one template and every list holds a word once, so choices and text
    carry the same information."""
    p = lab.fixed.stories
    assert all(len(set(words)) == len(words) for words in p.WORDS.values())

    def pattern(template: str) -> re.Pattern[str]:
        def slot(match: re.Match[str]) -> str:
            kind = match[1].rstrip("23")
            if kind in ("who", "hero", "friend"):
                kind = "name"
            if kind in ("n", "m", "sum"):
                return r"(\d+)"
            if kind == "home":
                return "the old (" + "|".join(p.WORDS["place"]) + ")"
            if kind == "treasure":
                return (
                    "((?:"
                    + "|".join(p.WORDS["thing"])
                    + ") of (?:"
                    + "|".join(p.WORDS["name"])
                    + "))"
                )
            return "(" + "|".join(p.WORDS[kind]) + ")"

        parts = re.split(r"(\{\w+\})", template)
        return re.compile(
            "".join(
                slot(re.match(r"\{(\w+)\}", x)) if x.startswith("{") else re.escape(x)
                for x in parts
            )
        )  # type: ignore[arg-type]

    patterns = [pattern(template) for template in p.SENTENCES]
    stories = p.Stories().tell("val")
    lines = [line for _ in range(60) for line in next(stories)[0].splitlines()[1:]]
    assert all(sum(bool(x.fullmatch(line)) for x in patterns) == 1 for line in lines)
    assert len({lab.fixed.pystd.path_hash(line) for line in lines}) > 200


def test_the_entropy_of_stories_is_in_the_wanted_range(lab: labs.Lab) -> None:
    """Rich enough to be no toy: 0.4 to 0.6 bits per byte, about 400 KB to score."""
    told = list(lab.fixed.stories.Stories().tell("val"))

    assert 0.4 < lab.fixed.stories.Stories().entropy_bpb() < 0.6
    assert 400_000 <= sum(len(text) for text, _ in told) < 402_000


def test_near_duplicates_stay_on_one_side(lab: labs.Lab) -> None:
    """Two files that share most of their lines are one family; a family above the cap is
    training text."""
    shared = "\n".join(f"a telling line of code number {i}" for i in range(900))
    files = {f"idlelib/f{i}.py": f"nothing like it: {i}\n" * 500 for i in range(40)}
    files |= {
        "idlelib/a.py": shared,
        "idlelib/b.py": shared + "\nand one line more than that",
        "idlelib/big.py": "x = 1\n" * 12_000,
    }
    families = lab.fixed.pystd.near_duplicates(files)
    val, second = lab.fixed.pystd.choose_hidden(files, families)

    assert ["idlelib/a.py", "idlelib/b.py"] in [sorted(family) for family in families]
    for chosen in (val, second):
        assert ("idlelib/a.py" in chosen) == ("idlelib/b.py" in chosen)
        assert "idlelib/big.py" not in chosen and 0 < len(chosen) < len(files)


def test_the_standard_library_is_split_with_care(lab: labs.Lab) -> None:
    """No tests, no charmap tables, no file over the cap in validation, nothing on two sides,
    the same twice; a second text beside the validation text, of parts that can be masked."""
    source, again = lab.fixed.pystd.Pystd(), lab.fixed.pystd.Pystd()
    train, val, second = (list(source.documents(split)) for split in ("train", "val", "second"))

    assert source.fingerprint == again.fingerprint
    assert 250_000 <= sum(len(t.encode()) for t in val) <= 460_000 and len(val) > 15
    assert 100_000 <= sum(len(t.encode()) for t in second) <= 260_000
    assert max(len(t.encode()) for t in val + second) <= lab.fixed.pystd.FILE_CAP_BYTES
    assert len({*train, *val, *second}) == len({*train}) + len({*val}) + len({*second})
    assert not any("decoding_table" in t and "charmap_decode" in t for t in train + val)


def test_hidden_texts_are_of_parts_alone(lab: labs.Lab) -> None:
    """Families with a file that a program may need are training text; too little is a sentence."""
    pystd = lab.fixed.pystd
    files = {f"idlelib/{i}.py": f"{i}" * 30_000 for i in range(20)} | {"json.py": "x" * 30_000}
    families = [["json.py", "idlelib/0.py"], *([path] for path in list(files)[1:-1])]
    val, second = pystd.choose_hidden(files, families)

    assert not {"json.py", "idlelib/0.py"} & (val | second) and not val & second
    assert len(val) > len(second) > 3
    with pytest.raises(lab.prepare.PrepareError, match=r"can be hidden.*--track stories"):
        pystd.choose_hidden(files, families[:5])


def test_masks_are_of_every_library(lab: labs.Lab, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Packages, modules, bytecode and archives of other Pythons; nothing else of them, nothing on
    other tracks."""
    masks, library = lab.fixed.masks, tmp_path / "lib" / "python3.9"
    kept = ["os.py", "json/decoder.py", "__pycache__/os.cpython-39.pyc"]
    parts = ["idlelib/run.py", "ftplib.py", "__pycache__/ftplib.cpython-39.pyc", "turtle.pyc"]
    for name in kept + parts:
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text("text", "utf-8")
    with zipfile.ZipFile(tmp_path / "python39.zip", "w") as archive:
        archive.write(library / "os.py", "os.py")
        archive.write(library / "ftplib.py", "ftplib.pyc")
    monkeypatch.setattr(masks, "walk_programs", lambda: walk(tmp_path))
    paths = [str(path.relative_to(tmp_path)) for path in masks.masked_paths("pystd")]
    folder = "lib/python3.9"

    assert paths == [
        f"{folder}/__pycache__/ftplib.cpython-39.pyc",
        f"{folder}/ftplib.py",
        f"{folder}/idlelib",
        f"{folder}/turtle.pyc",
        "python39.zip",
    ]
    assert masks.masked_paths("stories") == []


def walk(root: Path) -> list[tuple[Path, list[str]]]:
    return [(Path(folder), names) for folder, _, names in os.walk(root)]


def test_a_program_cannot_carry_the_validation_text(lab: labs.Lab) -> None:
    """What limits.free_kb leaves beside the lab's own train.py is less than a fourth of the
    validation text as xz packs it, on every track that anyone can make offline."""
    limits = msgspec.toml.decode(config.LAB.format(track="pystd", extra="", text=""))["limits"]
    spare = 1000 * limits["free_kb"] - (labs.LAB / "train.py").stat().st_size
    assert spare > 5000
    for source in (lab.fixed.pystd.Pystd(), lab.fixed.stories.Stories()):
        text = "".join(source.documents("val")).encode()
        assert spare < len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) / 4


@pytest.mark.parametrize("kind", ["folder", "txt", "jsonl", "parquet"])
def test_ones_own_text_comes_in_four_kinds(lab: labs.Lab, tmp_path: Path, kind: str) -> None:
    """A folder, .txt, .jsonl of strings or objects, .parquet: the same text counts the same
    bytes."""
    texts = labs.texts(40)
    file = tmp_path / f"data.{kind}"
    if kind == "folder":
        labs.write_texts(file, 40)
    elif kind == "txt":
        file.write_text("".join(texts), "utf-8")
    elif kind == "jsonl":
        lines = [json.dumps(t if i % 2 else {"text": t, "id": i}) for i, t in enumerate(texts)]
        file.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file, row_group_size=7)
    manifest = lab.prepared(
        "--track", "custom", "--data", str(file), "--vocab-size", "260"
    ).manifest

    assert manifest["train"]["bytes"] + manifest["val"]["bytes"] == sum(
        len(t.encode()) for t in texts
    )


def bad_data(folder: Path, kind: str) -> Path:
    file = folder / f"data.{kind}"
    content = {
        "txt": b"\xff\xfe\x00 not UTF-8" * 100,
        "jsonl": b'{"text": "fine"}\n{"txt": "no"}\n',
        "parquet": b"PAR1 cut off",
        "short.txt": b"too little",
        "missing": b"",
    }[kind]
    if kind != "missing":
        file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("txt", "cannot be read as UTF-8"),
        ("jsonl", "line 2"),
        ("parquet", "cannot be read as parquet"),
        ("short.txt", "too little"),
        ("missing", "cannot be read"),
    ],
)
def test_data_that_cannot_be_used_is_a_sentence(
    lab: labs.Lab, tmp_path: Path, kind: str, sentence: str
) -> None:
    """Exit by FAIL with what is wrong, where."""
    with pytest.raises(SystemExit, match=f"FAIL: .*{sentence}"):
        lab.prepared("--track", "custom", "--data", str(bad_data(tmp_path, kind)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--track", "custom"], "needs --data"),
        (["--track", "pystd", "--vocab-size", "4096"], "belong to `--track custom`"),
        (["--track", "custom", "--data", "x", "--vocab-size", "100"], "must lie between 260"),
        (["--track", "custom", "--data", "x", "--seq-len", "2"], "must lie between 8"),
        (["--track", "climbmix", "--num-shards", "0"], "no training shard"),
        (["--track", "stories", "--budget-s", "-1"], "makes no sense"),
    ],
)
def test_settings_that_cannot_be_are_a_sentence(
    lab: labs.Lab, arguments: list[str], sentence: str
) -> None:
    """Refused before anything is made."""
    with pytest.raises(SystemExit, match=f"FAIL: .*{re.escape(sentence)}"):
        lab.prepared(*arguments)


def test_a_track_that_is_not_prepared_says_how(lab: labs.Lab) -> None:
    """train.py ends at once, with the command to run."""
    with (
        lab.environment(AUTORESEARCH_TRACK="stories-5s"),
        pytest.raises(SystemExit, match=r"prepare.py --track stories-5s"),
    ):
        lab.prepare.load_track()


@pytest.mark.parametrize("name", ["train.bin", "tokenizer.json", "eval.bin", "val.idx"])
def test_damage_is_found_told_and_mended(lab: labs.Lab, custom: list[str], name: str) -> None:
    """A file cut short is noticed when the track is opened; prepare makes it anew."""
    track = lab.prepared(*custom)
    file = track.folder / name
    file.write_bytes(file.read_bytes()[:-1])
    with (
        lab.environment(AUTORESEARCH_TRACK="custom"),
        pytest.raises(SystemExit, match=f"damaged .{name}.*prepare.py"),
    ):
        lab.prepare.load_track()

    assert lab.prepared(*custom).id == track.id


def test_a_flipped_byte_is_found_by_show(lab: labs.Lab, custom: list[str]) -> None:
    """--show reads every byte."""
    file = lab.prepared(*custom).folder / "train.bin"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(SystemExit, match=r"train.bin has other content"):
        lab.prepared("--show")
    lab.prepared(*custom)


def test_show_tells_everything(
    lab: labs.Lab, custom: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Track, id, fingerprints, sizes, anchors and a sample."""
    track = lab.prepared(*custom)
    lab.prepared("--show")
    said = capsys.readouterr().out

    assert f"id: {track.id}" in said and "trigram" in said and "sample:\n" in said
    assert all(
        f"\n{word}: " in said
        for word in ("seq_len", "vocab_size", "train", "val", "evaluation", "data", "tokenizer")
    )


def test_the_trigram_is_a_probability(lab: labs.Lab, custom: list[str]) -> None:
    """Over all next tokens the anchor's probabilities add up to one, after known and unknown
    histories."""
    import numpy as np

    track = lab.prepared(*custom)
    tokenizer = lab.prepare.Tokenizer.load(track)
    train, _ = lab.fixed.packing.read_tokens(track.folder, "train")
    whole = tokenizer.token_bytes.clone()
    tokenizer.token_bytes = whole * 0 + 1  # count every target once, specials too
    for history in ([int(train[1]), int(train[2])], [255, 254]):
        mass = 0.0
        for target in range(tokenizer.vocab_size):
            row = np.array([[tokenizer.bos, *history, target]], np.uint16)
            three = 3 * lab.fixed.anchors.trigram_bpb(train, row, tokenizer)
            two = 2 * lab.fixed.anchors.trigram_bpb(train, row[:, :3], tokenizer)
            mass += 2.0 ** -(three - two)
        assert mass == pytest.approx(1, abs=1e-9)


def test_the_block_is_printed_as_promised(
    lab: labs.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """`---`, nine names in order, val_bpb with six decimals; what greps look for."""
    values = dict.fromkeys(lab.fixed.summary.SUMMARY, 3) | {
        "val_bpb": 1.2345678,
        "mfu_percent": float("nan"),
    }
    lab.prepare.print_summary(**values)
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "---" and lines[1].split() == ["val_bpb:", "1.234568"]
    assert [line.split(":")[0] for line in lines[1:]] == [
        "val_bpb",
        "training_seconds",
        "total_seconds",
        "peak_vram_mb",
        "mfu_percent",
        "total_tokens_M",
        "num_steps",
        "num_params_M",
        "depth",
    ]
    assert all(re.fullmatch(r"\w+: +\S+", line) for line in lines[1:])


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_nothing_half_there(tmp_path: Path) -> None:
    """After each kill a track is either not prepared or whole; and one more call makes it whole
    and cleans up."""
    lab = labs.make_lab(tmp_path)
    data = labs.write_texts(tmp_path / "texts", 300)
    command = [
        sys.executable,
        "-u",
        "prepare.py",
        "--track",
        "custom",
        "--data",
        str(data),
        "--vocab-size",
        "600",
    ]
    moments = random.Random(5)
    for _ in range(6):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=lab.env, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        process.stdout.readline()  # it is at work: the interesting part is short
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.wait()
        with lab.environment():
            try:
                track = lab.prepare.open_track("custom")
            except lab.prepare.PrepareError as error:
                assert "not prepared" in str(error)
            else:
                assert not lab.fixed.tracks.find_damage(track.folder, track.manifest, thorough=True)
    assert lab.run(*command[3:]).returncode == 0
    assert not list((tmp_path / "cache" / "custom").glob(".new-*"))
