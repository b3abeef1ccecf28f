"""The names of tests are equal in each process that collects them."""

from __future__ import annotations

import gzip
import time

from conftest import pytest_make_parametrize_id


def test_bytes_give_a_test_no_name() -> None:
    packed = [gzip.compress(b"text", mtime=clock) for clock in (1, time.time())]

    assert packed[0] != packed[1]
    assert {pytest_make_parametrize_id(data, "data") for data in packed} == {"data"}
    assert pytest_make_parametrize_id("a word", "text") is None
