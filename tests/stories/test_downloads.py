"""Preparing the tracks that are downloaded, against a local server that speaks Hugging Face's
paths, with everything that goes wrong on the way."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import hf_server
import labs

CLIMBMIX = "karpathy/climbmix-400b-shuffle"
VAL = "shard_06542.parquet"


def parquet(seed: int, rows: int) -> bytes:
    texts = [
        f"document {seed}-{i}: " + f"{labs.SENTENCES[(seed + i) % 5]} {i * seed} " * (1 + i % 5)
        for i in range(rows)
    ]
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file, row_group_size=500)
    return file.getvalue()


@pytest.fixture()
def server() -> Iterator[hf_server.HuggingFace]:
    with hf_server.HuggingFace() as server:
        for number in (0, 1, 2, 6542):
            server.files[CLIMBMIX, f"shard_{number:05d}.parquet"] = parquet(number + 1, 60)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture()
def lab(tmp_path: Path) -> labs.Lab:
    return labs.make_lab(tmp_path)


def climbmix(lab: labs.Lab, server: hf_server.HuggingFace, *args: str) -> tuple[int, str]:
    done = lab.run(
        "--track", "climbmix", *args, HF_ENDPOINT=server.url, AUTORESEARCH_RETRY_S="0.05"
    )
    return done.returncode, done.stdout + done.stderr


def raw(lab: labs.Lab) -> set[str]:
    return {path.name for path in (lab.folder / "cache" / "climbmix" / "raw").glob("*.parquet")}


def test_climbmix_fetches_its_shards_and_always_the_validation_shard(
    lab: labs.Lab, server: hf_server.HuggingFace
) -> None:
    """Two training shards and the pinned last one; a second call downloads nothing; the loader's
    data is there."""
    code, said = climbmix(lab, server, "--num-shards", "2")

    assert code == 0, said
    assert raw(lab) == {"shard_00000.parquet", "shard_00001.parquet", VAL}
    before = {name: len(asked) for name, asked in server.gets.items()}
    code, said = climbmix(lab, server, "--num-shards", "2")
    assert code == 0 and "prepared already" in said
    assert before == {name: len(asked) for name, asked in server.gets.items()}
    with lab.environment(AUTORESEARCH_TRACK="climbmix"):
        track = lab.prepare.open_track()
    assert (
        track.seq_len == 2048
        and track.manifest["train"]["documents"] == 120
        and track.manifest["val"]["documents"] == 60
    )


def test_shards_that_one_has_are_checked_and_not_fetched(
    lab: labs.Lab, server: hf_server.HuggingFace
) -> None:
    """As docs/moving.md says: a whole shard is taken by its hash, a damaged one fetched again."""
    incoming = lab.folder / "cache" / "climbmix" / "raw" / ".incoming"
    incoming.mkdir(parents=True)
    for name in ("shard_00000.parquet", VAL):
        (incoming / name).write_bytes(server.files[CLIMBMIX, name])
    (incoming / "shard_00001.parquet").write_bytes(b"damaged")

    code, said = climbmix(lab, server, "--num-shards", "2")

    assert code == 0, said
    assert raw(lab) == {"shard_00000.parquet", "shard_00001.parquet", VAL}
    fetched = {str(name) for name, asked in server.gets.items() if asked}
    assert len(fetched) == 1 and "shard_00001" in fetched.pop()


def test_what_goes_wrong_once_is_tried_again(lab: labs.Lab, server: hf_server.HuggingFace) -> None:
    """A 500, a body cut short, a slow server and other content than promised: all end well, with
    the right bytes."""
    server.faults |= {
        "shard_00000.parquet": ["500"],
        "shard_00001.parquet": ["truncate", "slow"],
        VAL: ["garbage"],
    }
    code, said = climbmix(lab, server, "--num-shards", "2")

    assert code == 0, said
    folder = lab.folder / "cache" / "climbmix" / "raw"
    assert all((folder / name).read_bytes() == server.files[CLIMBMIX, name] for name in raw(lab))


@pytest.mark.parametrize("missing", ["shard_00001.parquet", VAL])
def test_a_shard_that_cannot_be_had_fails_with_a_sentence(
    lab: labs.Lab, server: hf_server.HuggingFace, missing: str
) -> None:
    """Failed downloads ended with exit code 0, and training failed five minutes later. What did
    arrive is kept."""
    del server.files[CLIMBMIX, missing]
    code, said = climbmix(lab, server, "--num-shards", "2")

    assert code == 1
    assert (
        f"FAIL: 1 of 3 files of {CLIMBMIX} could not be downloaded, first {missing}" in said
        and "Traceback" not in said
    )
    assert missing not in raw(lab) and len(raw(lab)) == 2


def test_a_file_that_stays_broken_never_gets_its_name(
    lab: labs.Lab, server: hf_server.HuggingFace
) -> None:
    """A server that always cuts the body: no file in the final place, exit code 1, and the next
    call ends well."""
    server.faults["shard_00000.parquet"] = ["truncate"] * 40
    code, said = climbmix(lab, server, "--num-shards", "1")
    assert code == 1 and "FAIL: 1 of 2 files" in said
    assert raw(lab) == {VAL}

    server.faults.clear()
    assert climbmix(lab, server, "--num-shards", "1")[0] == 0


def test_a_file_that_is_no_parquet_is_refused(lab: labs.Lab, server: hf_server.HuggingFace) -> None:
    """The right size and hash of the wrong thing: the footer tells."""
    server.files[CLIMBMIX, "shard_00000.parquet"] = b"<html>a portal's login page</html>"
    code, said = climbmix(lab, server, "--num-shards", "1")

    assert code == 1 and "not a whole parquet file" in said


def test_workers_are_honoured(lab: labs.Lab, server: hf_server.HuggingFace) -> None:
    """--download-workers 1 asks for one file at a time."""
    server.faults |= {f"shard_{i:05d}.parquet": ["slow"] for i in range(2)}
    assert climbmix(lab, server, "--num-shards", "2", "--download-workers", "1")[0] == 0

    assert server.most_busy == 1


def test_without_a_network_the_sentence_names_the_offline_track(lab: labs.Lab) -> None:
    """Nobody listens at the endpoint: no traceback, and `--track pystd` as the way on."""
    done = lab.run(
        "--track", "tinystories", HF_ENDPOINT="http://127.0.0.1:9", AUTORESEARCH_RETRY_S="0.01"
    )

    assert done.returncode == 1
    assert "--track pystd" in done.stderr and "Traceback" not in done.stderr


def test_tinystories_keeps_its_rows_apart(lab: labs.Lab, server: hf_server.HuggingFace) -> None:
    """Rows 10,000 to 19,999 validate, 20,000 on train, the first 10,000 stay unseen."""
    server.files["karpathy/tinystories-gpt4-clean", "tinystories_gpt4_clean.parquet"] = parquet(
        1, 20_300
    )
    done = lab.run("--track", "tinystories", HF_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr

    with lab.environment(AUTORESEARCH_TRACK="tinystories"):
        track = lab.prepare.open_track()
        tokenizer = lab.prepare.Tokenizer.load(track)
    assert track.manifest["train"]["documents"] == 300
    for split, first in (("val", "document 1-10000: "), ("train", "document 1-20000: ")):
        tokens, starts = lab.fixed.packing.read_tokens(track.folder, split)
        assert tokenizer.decode(tokens[starts[0] : starts[1]].tolist()).startswith(first)
