"""Finds the tunable constants of a Python file in its syntax tree, and writes new values in
without touching anything else.

A constant is a name in capitals on module level with a literal value, or an entry of a dictionary
with such a name. Its comment may give a range, `0.01 to 0.2`, or the choices, `one of relu, gelu`;
where any comment does, constants without one are facts and left alone. Names with SEED in them
are not constants to tune: luck is not an improvement. Neither is one whose comment says that it
has `no influence on the score`.
Leaves to others: which value to try (search).
"""

from __future__ import annotations

import io
import math
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from autoresearch.researcher.agents.base import AgentFailed

Value = float | int | str | bool
# tail: shares near one, such as a momentum of 0.95
Kind = Literal["log", "tail", "linear", "integer", "power", "choice"]
NUMBER = r"-?\d[\d_]*(?:\.\d+)?(?:e-?\d+)?"
RANGE = re.compile(rf"(?<![\w.])({NUMBER}) to ({NUMBER})(?![\w])")
NO_INFLUENCE = re.compile(r"\bno (part of|influence on) the score\b")
CHOICES = re.compile(r"\bone of ([^;]+)")


@dataclass(frozen=True)
class Constant:
    """A value that may be changed. `low` and `high` bound it (inclusive); `choices` instead where
    it has a list."""

    name: str
    value: Value
    kind: Kind
    low: float = 0
    high: float = 0
    choices: tuple[Value, ...] = ()
    stated: bool = False  # the comment gave range or choices

    @property
    def label(self) -> str:
        """How a person calls it."""
        return self.name.rpartition(".")[2]


@lru_cache(maxsize=8)  # one proposal reads and writes the same files
def parse_module(source: str) -> cst.Module:
    """The syntax tree. AgentFailed says what is wrong with it."""
    try:
        return cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise AgentFailed(f"the free file is not valid Python: {error}") from error


def find_constants(source: str) -> list[Constant]:
    """The constants of a file, in order."""
    module = parse_module(source)
    lines = [line for line in module.body if isinstance(line, cst.SimpleStatementLine)]
    # positions are dear, and functions long
    wrapper = MetadataWrapper(module.with_changes(body=lines))
    positions = wrapper.resolve(PositionProvider)
    comments = comments_by_line(wrapper.module.code)
    described = (
        describe_constant(name, node, comments.get(positions[node].end.line, ""))
        for name, node in find_literals(wrapper.module)
    )
    found = [constant for constant in described if constant is not None]
    return [constant for constant in found if constant.stated] or found


def replace_values(source: str, values: Mapping[str, Value]) -> str:
    """The source with new values for some constants; every other character stays."""
    module = parse_module(source)
    nodes = dict(find_literals(module))
    if missing := [name for name in values if name not in nodes]:
        raise AgentFailed(f"no constant {missing[0]} in the free file")
    wanted = {id(nodes[name]): value_node(value, nodes[name]) for name, value in values.items()}
    return cst.ensure_type(module.visit(Replacement(wanted)), cst.Module).code


class Replacement(cst.CSTTransformer):
    """Puts others in the place of some nodes, all in one pass."""

    def __init__(self, wanted: Mapping[int, cst.BaseExpression]) -> None:
        super().__init__()
        self.wanted = wanted

    def on_visit(self, node: cst.CSTNode) -> bool:
        return not isinstance(node, cst.FunctionDef | cst.ClassDef)  # constants stand outside them

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        return self.wanted.get(id(original_node), updated_node)


# ---------------------------------------------------------------- reading the tree


def find_literals(module: cst.Module) -> Iterator[tuple[str, cst.BaseExpression]]:
    """Name and value node of every constant, tables opened."""
    for line in module.body:
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for statement in line.body:
            name, value = target_name(statement)
            if (
                name.isupper()
                and not name.startswith("_")
                and "SEED" not in name
                and value is not None
            ):
                if isinstance(value, cst.Dict):
                    yield from table_entries(name, value)
                else:
                    yield name, value


def target_name(statement: cst.BaseSmallStatement) -> tuple[str, cst.BaseExpression | None]:
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        name = statement.targets[0].target
        return (name.value if isinstance(name, cst.Name) else ""), statement.value
    if isinstance(statement, cst.AnnAssign) and isinstance(statement.target, cst.Name):
        return statement.target.value, statement.value
    return "", None


def table_entries(name: str, table: cst.Dict) -> Iterator[tuple[str, cst.BaseExpression]]:
    """`NAME.key` and value node of each entry of a table."""
    for element in table.elements:
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
            key = str(element.key.evaluated_value)
            if "SEED" not in key.upper():
                yield f"{name}.{key}", element.value


def comments_by_line(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def literal_value(node: cst.BaseExpression) -> Value | None:
    """The value of a literal: number, string, True or False, a negative number, or 2**n."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        inner = literal_value(node.expression)
        return -inner if isinstance(inner, (int, float)) and not isinstance(inner, bool) else None
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Power):
        base, exponent = literal_value(node.left), literal_value(node.right)
        return (
            2**exponent if base == 2 and isinstance(exponent, int) and 0 <= exponent < 64 else None
        )
    if isinstance(node, cst.Name) and node.value in ("True", "False"):
        return node.value == "True"
    if isinstance(node, (cst.Integer, cst.Float)):
        return node.evaluated_value
    if isinstance(node, cst.SimpleString) and isinstance(node.evaluated_value, str):
        return node.evaluated_value
    return None


# ---------------------------------------------------------------- ranges


def describe_constant(name: str, node: cst.BaseExpression, comment: str) -> Constant | None:
    """The constant with the range its comment gives, else one around its value; None where there
    is nothing to try."""
    value = literal_value(node)
    if value is None or NO_INFLUENCE.search(comment):
        return None
    if isinstance(value, bool):
        return Constant(
            name, value, "choice", choices=(False, True), stated=CHOICES.search(comment) is not None
        )
    listed = parse_choices(comment, value)
    if listed:
        return Constant(name, value, "choice", choices=listed, stated=True)
    if isinstance(value, str):
        return None
    stated = RANGE.findall(comment)
    low, high = (
        (float(text.replace("_", "")) for text in stated[-1]) if stated else range_around(value)
    )
    low, high = min(low, value), max(high, value)
    if low == high:
        return None
    return Constant(name, value, kind_of(value, low, high, comment), low, high, stated=bool(stated))


def kind_of(value: float | int, low: float, high: float, comment: str) -> Kind:
    if isinstance(value, float):
        return "tail" if low >= 0.5 and high < 1 else "log" if low > 0 else "linear"
    doubling = high >= 4 * max(low, 1) and (
        value >= 16 or "power" in comment or (value == 0 and high >= 1024)
    )
    if doubling and (is_power(value) or (value == 0 and is_power(high))):
        return "power"
    return "log" if low > 0 and high >= 32 * low else "integer"


def is_power(value: float) -> bool:
    return value >= 1 and math.log2(value).is_integer()


def range_around(value: float | int) -> tuple[float, float]:
    """A range for a constant whose comment states none: a factor of four for reals, two for
    integers; nothing around zero."""
    factor = 2 if isinstance(value, int) and not (is_power(value) and value >= 16) else 4
    bounds = sorted((value / factor, value * factor))
    return (
        (math.floor(bounds[0]), math.ceil(bounds[1]))
        if isinstance(value, int)
        else (bounds[0], bounds[1])
    )


def parse_choices(comment: str, value: Value) -> tuple[Value, ...]:
    """The choices after `one of` in a comment, of the value's own type; empty where there are none
    or the value is not one."""
    match = CHOICES.search(comment)
    if match is None:
        return ()
    texts = [text.strip().strip("\"'`.") for text in match[1].replace(" or ", ",").split(",")]
    try:
        listed = tuple(type(value)(text) for text in texts if text)
    except ValueError:
        return ()
    return listed if value in listed and len(listed) > 1 else ()


# ---------------------------------------------------------------- writing


def show_value(value: Value) -> str:
    """A value as a person writes it."""
    if isinstance(value, float):
        text = f"{value:.6g}"
        return text if any(c in text for c in ".en") else text + ".0"
    return str(value)


def value_node(value: Value, old: cst.BaseExpression) -> cst.BaseExpression:
    """The node for a new value, in the style of the old one (2**n stays 2**n, quotes stay
    quotes, parentheses stay with the comment that may stand in them)."""
    if isinstance(old, cst.BinaryOperation) and isinstance(value, int) and is_power(value):
        return old.with_changes(right=cst.Integer(str(int(math.log2(value)))))
    text = show_value(value)
    if isinstance(old, cst.SimpleString) and isinstance(value, str):
        text = f"{old.quote}{value}{old.quote}"
    return cst.parse_expression(text).with_changes(lpar=old.lpar, rpar=old.rpar)
