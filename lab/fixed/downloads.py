"""Downloads of parquet files from Hugging Face, or from the mirror that HF_ENDPOINT names."""

import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fixed.errors import PrepareError, first_line
from fixed.files import sha256_file, write_atomically
from fixed.terminal import Bar, say

ATTEMPTS = 5
PAUSE_S = float(os.environ.get("AUTORESEARCH_RETRY_S", "1"))  # before the second; doubles each time


def download(repo, names, folder, workers):
    """{name: sha256} of files in folder, each whole and checked; PrepareError where one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not is_whole(folder / name)]
    if missing:
        workers = min(workers, len(missing))
        say(f"downloading {len(missing)} of {len(names)} files of {repo} with {workers} workers")
        bar = Bar("download", len(missing), "file")
        failures = []
        with ThreadPoolExecutor(workers) as pool:
            problems = pool.map(lambda name: try_to_fetch(repo, name, folder), missing)
            for name, problem in zip(missing, problems, strict=True):
                if problem:
                    failures.append((name, problem))
                else:
                    bar.add(1)
        bar.close()
        if failures:
            name, problem = failures[0]
            raise PrepareError(
                f"{len(failures)} of {len(missing)} files of {repo} could not be downloaded, "
                f"first {name}: {problem}. What did arrive is kept and the next call continues. "
                "Without a network, `--track pystd` needs no download"
            )
    return {name: json.loads(receipt(folder / name).read_text("utf-8"))["sha256"] for name in names}


def receipt(path):
    """Beside every download: its size and sha256, written after it was checked."""
    return path.with_name(path.name + ".json")


def is_whole(path):
    try:
        return json.loads(receipt(path).read_text("utf-8"))["size"] == path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return False


def try_to_fetch(repo, name, folder):
    """Fetch one file, several times if need be; why it cannot be had, or an empty string."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import errors

    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            fetch(repo, name, folder)
            return ""
        except (errors.EntryNotFoundError, errors.RepositoryNotFoundError) as error:
            return f"the server does not have it ({first_line(error)})"
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
            problem = f"the server cannot be reached ({first_line(error)})"
        except Exception as error:  # noqa: BLE001 - whatever a network can do wrong
            problem = f"{type(error).__name__}: {first_line(error)}"
    return f"{problem}, {ATTEMPTS} times"


def fetch(repo, name, folder):
    """One attempt, which continues what an earlier one left in .incoming until it is checked."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    said = get_hf_file_metadata(hf_hub_url(repo, name, repo_type="dataset"))
    arrived = Path(hf_hub_download(repo, name, repo_type="dataset", local_dir=folder / ".incoming"))
    try:
        check_download(arrived, said.size, said.etag)
    except PrepareError:
        arrived.unlink()
        raise
    size, sha256 = arrived.stat().st_size, sha256_file(arrived)
    os.replace(arrived, folder / name)
    write_atomically(receipt(folder / name), json.dumps({"size": size, "sha256": sha256}))


def check_download(path, size, etag):
    """Size and, where the etag is one, sha256 as the server said; a parquet file to the footer."""
    import pyarrow
    import pyarrow.parquet

    if size is not None and path.stat().st_size != size:
        raise PrepareError(
            f"{path.name} arrived with {path.stat().st_size} bytes instead of {size}"
        )
    if etag and re.fullmatch(r"[0-9a-f]{64}", etag) and sha256_file(path) != etag:
        raise PrepareError(f"{path.name} arrived with other content than the server names")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if "text" not in file.schema_arrow.names:
                raise PrepareError(f"{path.name} has no column `text`")
    except (pyarrow.ArrowException, OSError) as error:
        raise PrepareError(
            f"{path.name} is not a whole parquet file ({first_line(error)})"
        ) from error
