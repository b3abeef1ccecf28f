"""Claims about a container's share of the processors: read as the kernel tells it, so that no run
starts a thread for each core that is merely visible."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.researcher.cpu_quota import limit_by_quota, read_quota


def groups(place: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (place / "cg" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "cg" / name).write_text(text)
    (place / "own").write_text(own)
    return place / "cg", place / "own"


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "800000 100000"}, 3),
        ("0::/../../x\n", {"cpu.max": "400000 100000\n"}, 4),
        (
            "3:cpu,cpuacct:/docker/1\n2:memory:/x\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            "3:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("0::/\n", {"cpu.max": "what\n"}, None),
        ("", {}, None),
    ],
)
def test_the_quota(tmp_path: Path, own: str, files: dict[str, str], quota: int | None) -> None:
    """Of both versions, in whole processors, the smallest of all groups above; garbage is none."""
    root, mine = groups(tmp_path, own, files)

    assert read_quota(root, mine) == quota
    assert limit_by_quota(64, root, mine) == (quota or 64)
    assert limit_by_quota(1, root, mine) == 1


def test_no_groups_at_all(tmp_path: Path) -> None:
    """macOS has none."""
    assert read_quota(tmp_path / "none", tmp_path / "nothing") is None
