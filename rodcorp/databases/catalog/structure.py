"""What SQLite and SQL Server both have: tables, columns, and what rests on columns.

Both compare names without case, so names that refer to something are folded. Conditions, checks and
defaults are kept as the database writes them; `sqltext` compares those.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby


def fold(name: str) -> str:
    return name.casefold()


@dataclass(frozen=True)
class Column:
    """`type` is whole, as `sqltext.type_name` writes it. `is_written` is false of a column whose
    values the database makes itself."""

    name: str
    type: str
    is_nullable: bool
    default: str | None
    collation: str | None
    is_written: bool = True


@dataclass(frozen=True)
class Index:
    """Unique constraints and primary keys are indexes too. An expression has no column: ''."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool
    condition: str = ""


@dataclass(frozen=True)
class Check:
    """`name` is empty if nobody gave it one."""

    name: str
    text: str


@dataclass(frozen=True)
class ForeignKey:
    column: str
    table: str
    target: str


@dataclass
class Table:
    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    indexes: list[Index] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    foreign_keys: set[ForeignKey] = field(default_factory=set)


# table, index, whether it is unique, its condition, column
IndexRow = tuple[str, str, bool, str | None, str | None]


def add_indexes(tables: dict[str, Table], rows: Iterable[IndexRow]) -> None:
    """From a row for each of their columns, in order."""
    for (table, name, is_unique, condition), of_index in groupby(rows, key=lambda row: row[:4]):
        columns = tuple(fold(row[4] or "") for row in of_index)
        index = Index(name, columns, bool(is_unique), condition or "")
        tables[fold(table)].indexes.append(index)
