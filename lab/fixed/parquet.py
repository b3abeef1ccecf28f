"""Texts from parquet files with a column `text`."""

from fixed.errors import PrepareError


class Parquet:
    """Documents in the column `text` of parquet files; which rows belong to which split."""

    def __init__(self, splits, fingerprint, eval_tokens):
        self.splits = splits  # split -> [(path, first row, end row or None)]
        self.fingerprint, self.eval_tokens = fingerprint, eval_tokens

    def documents(self, split):
        for path, first, end in self.splits[split]:
            yield from parquet_texts(path, first, end)


def parquet_texts(path, first=0, end=None):
    """The texts of rows first … end - 1, read one row group at a time."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            at = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                low, high = max(first - at, 0), rows if end is None else min(rows, end - at)
                if low < high:
                    texts = (
                        file.read_row_group(group, columns=["text"])
                        .column("text")
                        .slice(low, high - low)
                    )
                    yield from (text for text in texts.to_pylist() if text)
                at += rows
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise PrepareError(
            f"{path} cannot be read as parquet with a column `text` ({error}); remove it"
        ) from error
