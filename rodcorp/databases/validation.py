"""Whether a database has what the models say: its tables, and all that rests on them.

A database may have been there before us, so names of constraints and indexes do not count where
what they mean can be read: an index is its columns, a check the columns and values it speaks of.
What a database has beyond the models is its own, unless it would refuse our rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases import journal, refusals
from rodcorp.databases.catalog import read
from rodcorp.databases.catalog.mending import REMAKE, UNKNOWN
from rodcorp.databases.catalog.sqltext import default_value, meaning
from rodcorp.databases.catalog.structure import Check, Column, Index, Table, fold
from rodcorp.databases.catalog.wanted import Wanted, WantedCheck, WantedIndex
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.sides import has_primary

MISSING = "missing"

_TRIGGER_FIX = (
    "Run: manage.py migrate. If the copy has been the active database meanwhile, what was written "
    "without the trigger is not in the journal: compare the two databases."
)

_REFUSAL_FIX = (
    "Run: manage.py migrate. What was written without the trigger is in the database: for the "
    "ledger, manage.py verify_ledger tells."
)


@dataclass(frozen=True)
class Difference:
    """`about` is table, column, type, collation, null, default, primary key, unique, check,
    foreign key, index or trigger. `column` is empty where it is not about exactly one."""

    table: str
    column: str
    about: str
    expected: str
    found: str
    fix: str


def validate(alias: str) -> list[Difference]:
    """Everything in which the database differs from the models as they are now."""
    connection = connections[alias]
    tables = read(connection)
    found: list[Difference] = []
    for model in _models(alias, connection):
        wanted = Wanted(model, connection)
        table = tables.get(fold(wanted.table))
        found += _table(wanted) if table is None else _differences(wanted, table)
    return [*found, *_triggers(alias, connection)]


def _models(alias: str, connection: BaseDatabaseWrapper) -> Iterator[type[models.Model]]:
    for model in apps.get_models(include_auto_created=True):
        if router.allow_migrate_model(alias, model) and model._meta.can_migrate(connection):
            yield model


def _table(wanted: Wanted) -> Iterator[Difference]:
    yield Difference(wanted.table, "", "table", "a table", MISSING, wanted.mending.table())


def _differences(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for look in _LOOKS:
        yield from look(wanted, table)


def _columns(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for field in wanted.fields:
        column = table.columns.get(fold(field.column))
        if column is None:
            fix = wanted.mending.column(field)
            yield Difference(wanted.table, field.column, "column", wanted.type(field), MISSING, fix)
        else:
            yield from _column(wanted, field, column)


def _column(wanted: Wanted, field: Any, column: Column) -> Iterator[Difference]:
    def differs(about: str, expected: str, found: str, fix: str) -> Difference:
        return Difference(wanted.table, field.column, about, expected, found, fix)

    mending = wanted.mending
    if column.type != (kind := wanted.type(field)):
        yield differs("type", kind, column.type, mending.type(field))
    collation = wanted.collation(field)
    if collation and not _compare_alike(collation, column.collation or wanted.plain_collation):
        found = column.collation or "none of its own"
        yield differs("collation", collation, found, mending.type(field))
    if column.is_nullable != field.null:
        words = {True: "NULL", False: "NOT NULL"}
        found = words[column.is_nullable]
        yield differs("null", words[field.null], found, mending.type(field))
    value = wanted.default(field)
    if value and default_value(value) != default_value(column.default or ""):
        fix = mending.default(field, value, has_another=column.default is not None)
        yield differs("default", value, column.default or MISSING, fix)


def _compare_alike(one: str, other: str) -> bool:
    """All of SQL Server's collations that end so compare code points."""
    return fold(one) == fold(other) or all(fold(name).endswith("_bin2") for name in (one, other))


def _unknown_columns(wanted: Wanted, table: Table) -> Iterator[Difference]:
    known = {fold(field.column) for field in wanted.fields}
    for name, column in table.columns.items():
        is_required = not column.is_nullable and column.default is None and column.is_written
        if name not in known and is_required:
            expected = "NULL or a default, as it is no column of ours"
            yield Difference(
                wanted.table, column.name, "column", expected, f"{column.type} NOT NULL", UNKNOWN
            )


def _primary_key(wanted: Wanted, table: Table) -> Iterator[Difference]:
    columns = wanted.primary_key()
    if tuple(map(fold, columns)) != table.primary_key:
        found = ", ".join(table.primary_key) or MISSING
        yield Difference(
            wanted.table,
            _only(columns),
            "primary key",
            ", ".join(columns),
            found,
            wanted.mending.primary_key(),
        )


def _uniques(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for index in wanted.uniques():
        yield from _index("unique", index, wanted, table)


def _indexes(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for index in wanted.indexes():
        yield from _index("index", index, wanted, table)


def _index(about: str, index: WantedIndex, wanted: Wanted, table: Table) -> Iterator[Difference]:
    alike = [other for other in table.indexes if _has_its_columns(index, other)]
    if any(_has_its_condition(index, other, table) for other in alike):
        return
    found = ", ".join(other.condition or "no condition" for other in alike) or MISSING
    expected = f"({', '.join(index.columns) or index.name})"
    if index.condition:
        expected += f" where {index.condition}"
    fix = _after_dropping([other.name for other in alike], index.fix)
    yield Difference(wanted.table, _only(index.columns), about, expected, found, fix)


def _has_its_columns(wanted: WantedIndex, index: Index) -> bool:
    if not wanted.columns:
        return fold(wanted.name) == fold(index.name)
    columns = tuple(map(fold, wanted.columns))
    if wanted.is_unique:
        return index.is_unique and sorted(columns) == sorted(index.columns)
    return columns == index.columns


def _has_its_condition(wanted: WantedIndex, index: Index, table: Table) -> bool:
    if wanted.condition and index.condition:
        columns = table.columns
        return meaning(wanted.condition, columns) == meaning(index.condition, columns)
    if index.condition:
        return wanted.is_unique and _is_about_nulls(index, table)
    return not wanted.condition


def _is_about_nulls(index: Index, table: Table) -> bool:
    """SQL Server takes NULL for a value that is unique too, so an index whose NULLs may repeat has
    the condition that there are none."""
    said = meaning(index.condition, table.columns)
    return not said.values and said.columns <= set(index.columns)


def _checks(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for check in wanted.checks():
        named = [other for other in table.checks if check.name and fold(check.name) == other.name]
        if any(_means(check, other, table) for other in named or table.checks):
            continue
        found = " and ".join(other.text for other in named) or MISSING
        expected = f"{check.name}: {check.text}" if check.name else check.text
        fix = _after_dropping([other.name for other in named], check.fix)
        yield Difference(wanted.table, "", "check", expected, found, fix)


def _means(wanted: WantedCheck, check: Check, table: Table) -> bool:
    return meaning(wanted.text, table.columns) == meaning(check.text, table.columns)


def _foreign_keys(wanted: Wanted, table: Table) -> Iterator[Difference]:
    for field, key in wanted.foreign_keys():
        if key not in table.foreign_keys:
            others = [other for other in table.foreign_keys if other.column == key.column]
            target = field.target_field
            expected = f"{target.model._meta.db_table}.{target.column}"
            found = ", ".join(f"{other.table}.{other.target}" for other in others) or MISSING
            fix = wanted.mending.foreign_key(field)
            yield Difference(wanted.table, field.column, "foreign key", expected, found, fix)


def _triggers(alias: str, connection: BaseDatabaseWrapper) -> Iterator[Difference]:
    for name, is_there in refusals.missing(connection).items():
        found = "another one, or switched off" if is_there else MISSING
        yield Difference(refusals.table_of(name), "", "trigger", name, found, _REFUSAL_FIX)
    if alias != SQLITE or not has_primary():
        return
    there = journal.installed(connection)
    for name in journal.missing(connection):
        table = name.split("_", 2)[-1]
        found = "another one" if name in there else MISSING
        yield Difference(table, "", "trigger", name, found, _TRIGGER_FIX)


def _after_dropping(names: list[str], fix: str) -> str:
    if not names or fix == REMAKE:
        return fix
    return f"Drop {', '.join(names)}, then: {fix}"


def _only(columns: tuple[str, ...]) -> str:
    return columns[0] if len(columns) == 1 else ""


_LOOKS: tuple[Callable[[Wanted, Table], Iterator[Difference]], ...] = (
    _columns,
    _unknown_columns,
    _primary_key,
    _uniques,
    _checks,
    _foreign_keys,
    _indexes,
)
