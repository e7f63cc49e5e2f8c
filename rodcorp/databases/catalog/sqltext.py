"""Whether two pieces of SQL mean the same, as far as it can be told without understanding them.

Servers do not keep what they were sent: `IN (1, 2)` comes back as `([a]=(2) OR [a]=(1))`, `N'x'` as
`'x'`, `0` as `((0))`. What they do keep is which columns and which values are spoken of.
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
    | N?'(?P<string> (?:[^']|'')* )'
    | "(?P<quoted> (?:[^"]|"")* )" | \[(?P<bracketed> [^\]]* )\] | `(?P<ticked> [^`]* )`
    | (?P<number> \d+(?:\.\d*)? | \.\d+ )
    | (?P<word> [^\W\d][\w@$\#]* )
    | (?P<sign> <> | <= | >= | != | . )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

_DECIMAL = re.compile(r"\d+(\.\d*)?|\.\d+")


@dataclass(frozen=True)
class Token:
    """`kind` is value, name (quoted), word or sign. Names and words are folded. It was written
    from `start` to `end`."""

    kind: str
    text: str
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


OPENING, CLOSING = Token("sign", "("), Token("sign", ")")


@dataclass(frozen=True)
class Meaning:
    """The columns and values a condition speaks of."""

    columns: frozenset[str]
    values: frozenset[str]


def tokens(sql: str) -> list[Token]:
    return list(_tokens(sql))


def _tokens(sql: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(sql):
        kind, text = str(match.lastgroup), match[str(match.lastgroup)]
        if kind in ("string", "number"):
            yield Token("value", _value(text.replace("''", "'")), *match.span())
        elif kind in ("quoted", "bracketed", "ticked"):
            yield Token("name", text.replace('""', '"').casefold(), *match.span())
        elif kind != "space":
            yield Token(kind, text.casefold(), *match.span())


def _value(text: str) -> str:
    """'0.00' and 0 are one value to a column of numbers."""
    if _DECIMAL.fullmatch(text):
        return f"{Decimal(text).normalize():f}"
    return f"'{text}'"


def meaning(condition: str, columns: Container[str]) -> Meaning:
    """`columns` are the table's, folded; other names are functions and keywords."""
    found = tokens(condition)
    return Meaning(
        frozenset(t.text for t in found if t.kind in ("name", "word") and t.text in columns),
        frozenset(t.text for t in found if t.kind == "value"),
    )


def default_value(sql: str) -> str:
    """A default in a form in which equal ones are equal: no outer brackets, no casts."""
    found = tokens(sql)
    while (inner := _unwrapped(found)) is not None:
        found = inner
    return " ".join(token.text for token in found)


def _unwrapped(found: list[Token]) -> list[Token] | None:
    """What is inside brackets, or cast by something, that is around everything."""
    if closing(found, 0) == len(found) - 1:
        return found[1:-1]
    if closing(found, 1) != len(found) - 1:
        return None
    if found[0] == Token("word", "cast") and (at := _after(found, Token("word", "as"))):
        return found[2 : at - 1]
    if found[0] == Token("word", "convert") and (at := _after(found, Token("sign", ","))):
        return found[at:-1]
    return None


def _after(found: Sequence[Token], wanted: Token) -> int | None:
    """The place behind a token in a function's brackets, but in no others."""
    position = 2
    while position < len(found):
        if found[position] == wanted:
            return position + 1
        position = (closing(found, position) or position) + 1
    return None


def closing(found: Sequence[Token], at: int) -> int | None:
    """Where the bracket that opens here is closed; None if none opens here."""
    depth = 0
    for position in range(at, len(found)):
        depth += (found[position] == OPENING) - (found[position] == CLOSING)
        if depth == 0:
            return position if position > at else None
    return None


def type_name(declared: str) -> str:
    """`numeric(3, 2)` is `decimal(3,2)`. A datetime2 has microseconds, what Python's times have,
    from a precision of 6 on."""
    name = re.sub(r"\s*([(),])\s*", r"\1", " ".join(declared.casefold().split()))
    name = re.sub(r"^numeric\b", "decimal", name)
    name = re.sub(r"^(double precision|float\(53\))$", "float", name)
    return re.sub(r"^(datetime2|datetimeoffset|time)\([67]\)$", r"\1", name)
