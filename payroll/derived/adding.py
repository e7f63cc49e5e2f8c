"""Adding to derived columns: many rows, each by numbers of its own, in a few statements.

The statements are the same text on both engines. Rows are named in the order in which SQL Server
sorts their keys, so that two units take their locks in the same order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# SQL Server takes 2,100 parameters a statement, SQLite 500 parts of a UNION.
_PARAMETERS = 2000
_ROWS = 400

# Up to so many rows are changed one by one: each answers for itself.
_FEW = 4


class Bounded(NamedTuple):
    """What to add to a row that holds from `least` to `most`."""

    delta: int
    least: int
    most: int


def lock_order(key: UUID) -> bytes:
    """SQL Server compares the groups of a uniqueidentifier last to first, as it stores them."""
    stored = key.bytes_le
    return stored[10:] + stored[8:10] + stored[6:8] + stored[4:6] + stored[:4]


def in_parts(keys: Iterable[UUID], most: int = _ROWS) -> Iterator[list[UUID]]:
    """Keys in the order of locks, as many at a time as a statement takes."""
    ordered = sorted(keys, key=lock_order)
    size = min(most, _ROWS)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def add(
    alias: str,
    model: type[models.Model],
    key: str,
    columns: tuple[str, ...],
    deltas: Mapping[UUID, Sequence[int]],
    *,
    where: str = "",
    among: Sequence[object] = (),
) -> int:
    """Add to `columns` of the rows whose field `key` is one of `deltas`, and whose field `where`,
    if one is named, is `among` some values; how many rows that were."""
    connection = connections[alias]
    limits = [_stored(connection, model, where, value) for value in among]
    changed = 0
    for part in in_parts(deltas, (_PARAMETERS - len(limits)) // (1 + len(columns))):
        sql = _sql(connection, _adding, model, key, columns, len(part), where, len(limits))
        keys = [_stored(connection, model, key, each) for each in part]
        if len(part) == 1:
            parameters = [*deltas[part[0]], *keys]
        else:
            parameters = [
                value
                for stored, each in zip(keys, part, strict=True)
                for value in (stored, *deltas[each])
            ]
        changed += _run(connection, sql, [*parameters, *limits])
    return changed


def add_within_bounds(
    alias: str, model: type[models.Model], column: str, wanted: Mapping[UUID, Bounded]
) -> UUID | None:
    """Add to one column of the rows with these keys. Returns the key of a row that holds too much
    or too little for it, if there is one: the caller must fail then, as others were changed."""
    connection = connections[alias]
    if len(wanted) > _FEW:
        before = transaction.savepoint(using=alias)
        if all(
            _add_within_bounds(connection, model, column, part, wanted) == len(part)
            for part in in_parts(wanted, _PARAMETERS // 4)
        ):
            transaction.savepoint_commit(before, using=alias)
            return None
        # which one it was shows one by one
        transaction.savepoint_rollback(before, using=alias)
    for each in sorted(wanted, key=lock_order):
        if _add_within_bounds(connection, model, column, [each], wanted) != 1:
            return each
    return None


def _add_within_bounds(
    connection: BaseDatabaseWrapper,
    model: type[models.Model],
    column: str,
    part: Sequence[UUID],
    wanted: Mapping[UUID, Bounded],
) -> int:
    sql = _sql(connection, _adding_within_bounds, model, column, len(part))
    keys = [_stored(connection, model, "pk", each) for each in part]
    if len(part) == 1:
        delta, least, most = wanted[part[0]]
        return _run(connection, sql, [delta, keys[0], least, most])
    parameters = [
        value for stored, each in zip(keys, part, strict=True) for value in (stored, *wanted[each])
    ]
    return _run(connection, sql, parameters)


Quote = Callable[[str], str]

_statements: dict[tuple[Any, ...], str] = {}


def _sql(connection: BaseDatabaseWrapper, write: Callable[..., str], *about: object) -> str:
    known = (connection.vendor, write, *about)
    if known not in _statements:
        _statements[known] = write(connection.ops.quote_name, *about)
    return _statements[known]


def _adding(
    quote: Quote,
    model: type[models.Model],
    key: str,
    columns: tuple[str, ...],
    rows: int,
    where: str,
    limits: int,
) -> str:
    table = quote(model._meta.db_table)
    sums = []
    for number, name in enumerate(columns):
        column = quote(_field(model, name).column)
        value = "%s" if rows == 1 else f"d.v{number}"
        sums.append(f"{column} = COALESCE({table}.{column}, 0) + {value}")
    sql = f"UPDATE {table} SET {', '.join(sums)}"  # noqa: S608  names of models
    own = f"{table}.{quote(_field(model, key).column)}"
    sql += f" WHERE {own} = %s" if rows == 1 else f"{_listed(len(columns), rows)} WHERE {own} = d.k"
    if limits:
        places = ", ".join(["%s"] * limits)
        sql += f" AND {table}.{quote(_field(model, where).column)} IN ({places})"
    return sql


def _adding_within_bounds(quote: Quote, model: type[models.Model], column: str, rows: int) -> str:
    table = quote(model._meta.db_table)
    key = f"{table}.{quote(_field(model, 'pk').column)}"
    name = quote(_field(model, column).column)
    held = f"COALESCE({table}.{name}, 0)"
    if rows == 1:
        change, which, least, most = "%s", f" WHERE {key} = %s", "%s", "%s"
    else:
        change, which, least, most = "d.v0", f"{_listed(3, rows)} WHERE {key} = d.k", "d.v1", "d.v2"
    return (
        f"UPDATE {table} SET {name} = {held} + {change}{which} "  # noqa: S608  names of models
        f"AND {held} BETWEEN {least} AND {most}"
    )


def _listed(values: int, rows: int) -> str:
    """Parameters as a table d of k, v0, v1, ..."""
    first = ", ".join(["%s AS k", *(f"%s AS v{number}" for number in range(values))])
    others = ", ".join(["%s"] * (values + 1))
    return f" FROM (SELECT {' UNION ALL SELECT '.join([first, *[others] * (rows - 1)])}) AS d"


def _stored(
    connection: BaseDatabaseWrapper, model: type[models.Model], name: str, value: object
) -> Any:
    return _field(model, name).get_db_prep_value(value, connection)


@cache
def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def _run(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)
