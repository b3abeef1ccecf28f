"""The documents of one file, by its ending: text, JSON, lines of JSON, tables, all of it packed or
not. Which files are read, and what becomes of the documents, is left to custom.py.
"""

import csv
import io
import json
from os.path import splitext

from fixed.errors import PrepareError
from fixed.terminal import say

DOCUMENT_BYTES = 16_384  # a longer text is cut into documents of about this size, at line ends
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
TEXT_NAMES = ("text", "content")  # what the text of an object is called; the first one counts


def file_texts(path):
    """A list of the file's documents; PrepareError or UnicodeDecodeError where it has none."""
    inner, ending = splitext(path.name.lower())
    data = unpack_file(path, PACKED.get(ending))
    ending = splitext(inner)[1] if ending in PACKED else ending
    return list(READERS.get(ending, plain_texts)(path, data))


def unpack_file(path, packing):
    if packing is None:
        return path.read_bytes()
    import pyarrow

    try:
        with pyarrow.input_stream(str(path), compression=packing) as stream:
            return stream.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise PrepareError(f"{path} cannot be unpacked ({error}); is it whole?") from error


def decode_text(path, data):
    text = data.decode("utf-8-sig")
    if "\0" in text:
        raise PrepareError(f"{path} holds zero bytes: it is no text")
    return text


def plain_texts(path, data):
    text = decode_text(path, data).replace("\r\n", "\n")
    yield from cut_at_lines(text, DOCUMENT_BYTES)


def cut_at_lines(text, size_bytes):
    """The text in order, cut after lines once a piece has size_bytes; a longer line anywhere."""
    piece, length = [], 0
    for line in text.splitlines(keepends=True):
        for part in (line[i : i + size_bytes] for i in range(0, len(line), size_bytes)):
            piece.append(part)
            length += len(part.encode())
            if length >= size_bytes:
                yield "".join(piece)
                piece, length = [], 0
    if piece:
        yield "".join(piece)


def jsonl_texts(path, data):
    """Of lines of JSON. A last line that was cut off costs that line only."""
    lines = decode_text(path, data).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) > 1:
                say(f"left out, cut off: the last line of {path}")
                return
            raise PrepareError(f"{path}, line {number}: no JSON ({error})") from error
        yield from texts_of(value, f"{path}, line {number}")


def json_texts(path, data):
    """Of one JSON value: a list of documents, a column of them, or a document; else of lines."""
    try:
        value = json.loads(decode_text(path, data))
    except (ValueError, RecursionError):
        yield from jsonl_texts(path, data)
        return
    if isinstance(value, dict) and not any(name in value for name in TEXT_NAMES):
        lists = [each for each in value.values() if isinstance(each, list)]
        value = lists[0] if len(lists) == 1 else value  # {"data": [...]}
    elif isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]
    for number, each in enumerate(value if isinstance(value, list) else [value], 1):
        yield from texts_of(each, f"{path}, value {number}")


def texts_of(value, place):
    """None or one document of a JSON value. `null` is an empty document."""
    text = text_of(value)
    if text is None and not is_null(value):
        raise PrepareError(f"{place}: neither a string nor an object with `text`")
    if text:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise PrepareError(f"{place}: half a letter ({error.reason})") from error
        yield text


def is_null(value):
    names = [name for name in TEXT_NAMES if isinstance(value, dict) and name in value]
    return value is None or bool(names and value[names[0]] is None)


def text_of(value):
    """The text of a value: itself, its `text`, or the texts of a list, a line each; else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        name = next((name for name in TEXT_NAMES if name in value), None)
        return text_of(value[name]) if name else None
    if isinstance(value, list):
        texts = [text_of(each) for each in value if each is not None]
        return None if None in texts else "\n".join(texts)
    return None


def table_texts(path, data):
    """Of the column `text` of a table with a header, whatever separates its cells."""
    text = decode_text(path, data)
    header = text.split("\n", 1)[0]
    try:
        dialect = csv.Sniffer().sniff(header, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(2**30)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True)
    at, start = column_of(path, [name.strip().lower() for name in next(rows, [])]), 2
    try:
        for row in rows:
            start = rows.line_num + 1
            yield from (cell for cell in row[at : at + 1] if cell.strip())
    except csv.Error as error:
        if rows.line_num < text.count("\n"):
            raise PrepareError(f"{path}, line {start}: no row of a table ({error})") from error
        say(f"left out, cut off: {path} from line {start} on")


def parquet_texts(path, data):
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(io.BytesIO(data)) as file:
            names = file.schema_arrow.names
            name = names[column_of(path, [name.lower() for name in names])]
            for batch in file.iter_batches(columns=[name]):
                for value in batch.column(0).to_pylist():
                    yield from texts_of(value, f"{path}, column {name}")
    except (pyarrow.ArrowException, OSError) as error:
        raise PrepareError(
            f"{path} cannot be read as parquet with a column `text` ({error}); remove it"
        ) from error


def column_of(path, names):
    """The place of the column that holds the text."""
    for name in TEXT_NAMES:
        if name in names:
            return names.index(name)
    raise PrepareError(f"{path} has no column `text`; it has {', '.join(names)[:200] or 'none'}")


READERS = {
    ".jsonl": jsonl_texts,
    ".ndjson": jsonl_texts,
    ".json": json_texts,
    ".csv": table_texts,
    ".tsv": table_texts,
    ".parquet": parquet_texts,
}
