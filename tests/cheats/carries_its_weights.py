"""Brings weights along that an earlier, longer run has learned, written into the program as text."""

WEIGHTS = "{WEIGHTS}"
