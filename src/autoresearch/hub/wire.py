"""The names that pages still know `models` by; goes with their next change."""

from __future__ import annotations

from autoresearch.models import Board, Channel, Commit, Found, Post, Record, Result

__all__ = ["Board", "Channel", "Commit", "Found", "Post", "Record", "Result"]
