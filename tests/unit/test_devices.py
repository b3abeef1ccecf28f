"""Which names of platforms mean one device, and what compares by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.devices import fold_device, is_same_device
from autoresearch.hub.rules.devices import find_split
from autoresearch.hub.rules.maintenance import join_stored
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.migrate import prepare
from autoresearch.researcher.report.read import latest_group
from autoresearch.researcher.report.rows import Experiment

SPELLINGS = [
    ["H100", "h100", "H-100", "H 100", "Ｈ１００"],
    ["NVIDIA H100 80GB", "nvidia_h100_80gb", "NVIDIA-H100-80GB", "Nvidia  H100 - 80 GB"],
    ["RTX 4090", "rtx4090", "RTX_4090", "rtx‑4090"],
    ["AMD-EPYC-7-12c", "amd epyc 7 12c", "AMD_EPYC_7_12C"],
    ["AMD-EPYC-71-2c"],
    ["Apple M3", "apple-m3"],
    ["Straße GPU", "STRASSE-gpu"],
    ["---"],
    ["???"],
]


@pytest.mark.parametrize("names", SPELLINGS, ids=lambda names: fold_device(names[0]))
def test_spellings_of_one_device(names: list[str]) -> None:
    """They are one among themselves, and no other's."""
    others = [name for group in SPELLINGS if group is not names for name in group]

    assert all(is_same_device(names[0], name) for name in names)
    assert not any(is_same_device(names[0], other) for other in others)


def test_a_ledger_of_two_spellings_is_one_run() -> None:
    """An experiment of `h100` is shown with those of `H100`; another device's is left out."""
    rows = [
        Experiment(n, "abcdef1", "keep", 1.0, "", platform=platform, track="t")
        for n, platform in enumerate(["H100", "A100", "h100", ""], 1)
    ]
    chosen, notes = latest_group(rows)

    assert [row.number for row in chosen] == [1, 3, 4]
    assert len(notes) == 1


def test_a_hub_of_before_is_joined_when_it_starts(tmp_path: Path) -> None:
    """Rows that an earlier version stored under three spellings come under the first one, and the
    board is worked out anew: 1.5, then 1.3, and 1.4 between them leads nothing later."""
    prepare(tmp_path)
    db = Database(tmp_path)
    with db.write() as tx:
        tx.run(
            "INSERT INTO agents (id, created_at, via) VALUES ('ada', '2026-01-01T00:00', 'open')"
        )
        for n, (platform, value) in enumerate([("H100", 1.5), ("h100", 1.3), ("H-100", 1.4)], 1):
            tx.run(
                "INSERT INTO posts (channel_id, agent_id, content, created_at)"
                " VALUES ((SELECT min(id) FROM channels), 'ada', '', '2026-01-01T00:00')"
            )
            tx.run(
                "INSERT INTO results (post_id, agent_id, named, commit_hash, platform, track,"
                " val_bpb, status, description, reason, problem, created_at, leads)"
                " VALUES (:n, 'ada', 'abcdef1', 'abcdef1', :platform, '', :value, 'keep', '', '',"
                " '', '2026-01-01T00:00', 1)",
                n=n, platform=platform, value=value,
            )  # fmt: skip
    assert find_split(db.reader) == [["H100", "h100", "H-100"]]

    join_stored(db)
    join_stored(db)

    assert find_split(db.reader) == []
    assert set(db.reader.column("SELECT platform FROM results")) == {"H100"}
    leads = db.reader.column("SELECT val_bpb FROM results WHERE leads = 1 ORDER BY id")
    assert leads == [1.5, 1.3]
    db.close()
