"""Texts from parquet files, and the tracks that are made of downloaded ones."""

from fixed.downloads import download
from fixed.errors import PrepareError

CLIMBMIX_REPO = "karpathy/climbmix-400b-shuffle"
CLIMBMIX_SHARDS = 6543  # the last one is the validation split
CLIMBMIX_DEFAULT_SHARDS = 10
CLIMBMIX_EVAL_TOKENS = 40 * 524_288
TINYSTORIES_REPO = "karpathy/tinystories-gpt4-clean"
TINYSTORIES_FILE = "tinystories_gpt4_clean.parquet"
TINYSTORIES_VAL_ROWS, TINYSTORIES_TRAIN_FROM = (10_000, 20_000), 20_000  # the first stay unseen
TINYSTORIES_EVAL_TOKENS = 2_000_000


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


def open_climbmix(root, num_shards, workers):
    shards = CLIMBMIX_SHARDS - 1 if num_shards == -1 else num_shards
    if not 1 <= shards < CLIMBMIX_SHARDS:
        raise PrepareError(
            f"--num-shards {num_shards} leaves no training shard; "
            f"give 1 to {CLIMBMIX_SHARDS - 1}, or -1 for all"
        )
    names = [f"shard_{i:05d}.parquet" for i in (*range(shards), CLIMBMIX_SHARDS - 1)]
    sums = download(CLIMBMIX_REPO, names, root / "raw", workers)
    paths = [(root / "raw" / name, 0, None) for name in names]
    splits = {"train": paths[:-1], "tokenizer": paths[:1], "val": paths[-1:]}
    return Parquet(splits, sums, CLIMBMIX_EVAL_TOKENS)


def open_tinystories(root, workers):
    sums = download(TINYSTORIES_REPO, [TINYSTORIES_FILE], root / "raw", workers)
    path = root / "raw" / TINYSTORIES_FILE
    splits = {
        "train": [(path, TINYSTORIES_TRAIN_FROM, None)],
        "val": [(path, *TINYSTORIES_VAL_ROWS)],
    }
    return Parquet(splits, sums, TINYSTORIES_EVAL_TOKENS)
