"""JSON bodies of requests: whatever else is sent is told as what it is.

Knows bytes and two headers. Whether a value fits its route is decided by `models`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.exceptions import HTTPException

from autoresearch.errors import BadInput

UTF8_MARK = b"\xef\xbb\xbf"
GZIP_MARK = b"\x1f\x8b"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
NO_BODY = "there is no body; send a JSON object in UTF-8"
_decoder = msgspec.json.Decoder()


def read_json(body: bytes, headers: Mapping[str, str]) -> Any:
    """The value of a body, whatever Content-Type says. Raises BadInput, or HTTPException 415."""
    check_form(body, headers)
    text = body.removeprefix(UTF8_MARK)
    if not text.strip():
        raise BadInput(NO_BODY)
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise BadInput("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise BadInput("the body is not JSON: it is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise BadInput(_explain(text, str(error))) from None


def check_form(body: bytes, headers: Mapping[str, str]) -> None:
    """Refuse what is packed, in parts, or in two bytes a letter, before anything is read."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity") or body.startswith(GZIP_MARK):
        raise _media_error("the body is compressed; send the JSON plain, without Content-Encoding")
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise _media_error("the body is a form in parts; send a JSON object instead")
    if body.startswith(UTF16_MARKS) or b"\0" in body[:4]:
        raise BadInput("the body is not UTF-8 but looks like UTF-16 or UTF-32; send UTF-8")


def _media_error(sentence: str) -> HTTPException:
    return HTTPException(status_code=415, detail=sentence)


def _explain(text: bytes, problem: str) -> str:
    if "truncated" in problem and SURROGATE.search(text):
        return "the JSON holds half of a surrogate pair (\\ud800 to \\udfff), which is no text"
    return f"the body is not JSON: {problem.removeprefix('JSON is malformed: ')}"
