"""An agent signs its posts and audits its hub from the command line; an operator who edits a row is
found out, over HTTP and in a copy of the database."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoresearch.cli.ah import app
from conftest import sqlite_only

RESULT = "commit:abcdef12 platform:cpu val_bpb:1.5 vram_gb:0.1 | one"


@sqlite_only  # whose file it edits
def test_an_operator_who_edits_a_result_is_found_out(
    own_hub: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is readable by its owner alone; all is well until a row says something else, which
    is then named, with exit code 1; a hub that starts its log anew is found by the head kept."""
    hub = own_hub()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def ah(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    database = hub.data / "hub.sqlite3"
    assert ah("join", hub.url, "ada").exit_code == 0
    told = json.loads(ah("key", "--json").output)
    written = json.loads(ah("post", "results", RESULT, "--json").output)

    assert written["signed_by"] == told["public_key"]
    key_file = tmp_path / ".agenthub" / "signing.json"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert ah("audit").output.startswith("all is as it was")
    assert ah("audit", "--database", str(database)).exit_code == 0

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE results SET val_bpb = 0.5")
    for arguments in ([], ["--database", str(database)]):
        found = ah("audit", *arguments, "--json")
        assert found.exit_code == 1, found.output
        (finding,) = json.loads(found.output)["findings"]
        assert (finding["kind"], finding["ref"]) == ("result", "1")

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE results SET val_bpb = 1.5")
        connection.execute("DELETE FROM log_entries WHERE number > 2")
    assert "entries" in ah("audit").output and ah("audit").exit_code == 1
