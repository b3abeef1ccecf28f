"""Verdicts from numbers: no file, no clock, no chance, and nothing of the researcher but what
stands in this folder."""
