"""Which code can change a number, as hashes of its meaning.

A track's id hashes what two results must share: the prepared text, token by token, and the code
that serves and scores it (NUMBERS). Code that only makes the prepared folder (DATA) names that
folder: when it changes, the folder is made anew, and the id stays where its content is the same.
A comment, a docstring, the words of an error or a mended download change neither.
"""

import ast
import functools

from fixed.files import HERE, fingerprint

NUMBERS = (
    "fixed/checkpoint.py",
    "fixed/evaluation.py",
    "fixed/fed_batches.py",
    "fixed/feeder.py",
    "fixed/loader.py",
    "fixed/losses.py",
    "fixed/model_program.py",
    "fixed/packing.py",
    "fixed/plausibility.py",
    "fixed/probes.py",
    "fixed/second.py",
    "fixed/scoring.py",
)
DATA = (
    "fixed/anchors.py",
    "fixed/build.py",
    "fixed/custom.py",
    "fixed/packing.py",
    "fixed/parquet.py",
    "fixed/pystd.py",
    "fixed/stories.py",
    "fixed/textfiles.py",
    "fixed/tokenizer.py",
)
SPEAKING = {"say", "print", "exit"}  # what these are told is for people


@functools.cache
def code_sha256(names):
    """A hash of what the files do; the same on every Python that runs them."""
    return fingerprint([meaning(ast.parse((HERE / name).read_text("utf-8"))) for name in names])


def meaning(node):
    """A syntax tree as nested lists, without places, comments and words meant for people."""
    if isinstance(node, list):
        return [meaning(item) for item in node if not is_docstring(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return ["Raise", meaning(node.exc.func)]
    if isinstance(node, ast.Call) and called_name(node) in SPEAKING:
        return ["Call", meaning(node.func)]
    # left out where empty: later Pythons add fields, and older ones do not know them
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    return [type(node).__name__, *([name, meaning(value)] for name, value in fields)]


def is_docstring(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def called_name(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))
