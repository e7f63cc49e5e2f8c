"""Rows on their way from one database to the other: as Django reads them in between, so that what
is the same on both sides compares as the same."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connections, models

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.sync.rules import Row


@cache
def fields_of(model: type[models.Model]) -> tuple[Any, ...]:
    return tuple(model._meta.concrete_fields)


def row_of(instance: models.Model) -> Row:
    return {field.attname: getattr(instance, field.attname) for field in fields_of(type(instance))}


def from_copy(model: type[models.Model], stored: Mapping[str, Any]) -> Row:
    """Columns as SQLite stores them, by column name, as Django reads them, by attname. Others than
    the model's are left out."""
    converters = _converters(model)
    row: Row = {}
    for field in fields_of(model):
        if field.column in stored:
            value = stored[field.column]
            for convert in converters[field.attname]:
                value = convert(value)
            row[field.attname] = value
    return row


def key_of(stored: str) -> UUID:
    """A row's key, as the journal keeps it."""
    return UUID(stored)


def stored_key(key: UUID) -> str:
    """A row's key as the copy stores it."""
    return key.hex


def read_copy(model: type[models.Model], keys: Iterable[UUID]) -> dict[UUID, Row]:
    """These rows of the copy, as they are now."""
    wanted = list(keys)
    found = model._base_manager.using(SQLITE).filter(pk__in=wanted)
    return {instance.pk: row_of(instance) for instance in found}


def write_copy(model: type[models.Model], rows: Sequence[Row], *, but: frozenset[str]) -> None:
    """Insert these rows into the copy, or make those that are there the same. The columns `but` are
    set only where the row is new: to their defaults, or to NULL where the row keeps none."""
    if not rows:
        return
    connection = connections[SQLITE]
    quote = connection.ops.quote_name
    fields = fields_of(model)
    key = model._meta.pk
    assert key is not None
    changed = [f for f in fields if f is not key and f.attname not in but]
    columns = ", ".join(quote(f.column) for f in fields)
    places = ", ".join(["%s"] * len(fields))
    updates = ", ".join(f"{quote(f.column)} = excluded.{quote(f.column)}" for f in changed)
    then = f"UPDATE SET {updates}" if changed else "NOTHING"
    sql = (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places}) "
        f"ON CONFLICT ({quote(str(key.column))}) DO {then}"
    )
    parameters = [
        [
            f.get_db_prep_save(
                _first_value(f, row) if f.attname in but else row[f.attname], connection
            )
            for f in fields
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, parameters)


def _first_value(field: Any, row: Row) -> Any:
    return None if row[field.attname] is None else field.get_default()


def needed_in_copy(model: type[models.Model], keys: Sequence[UUID]) -> set[UUID]:
    """Which of these rows others of the copy point at, those among them left aside."""
    needed: set[UUID] = set()
    for relation in model._meta.related_objects if keys else ():
        field: Any = relation.field
        if not getattr(field, "db_constraint", False):
            continue
        pointing = field.model._base_manager.using(SQLITE).filter(**{f"{field.attname}__in": keys})
        if field.model is model:
            pointing = pointing.exclude(pk__in=keys)
        needed.update(pointing.order_by().values_list(field.attname, flat=True))
    return needed


def delete_from_copy(model: type[models.Model], keys: Sequence[UUID]) -> None:
    """Foreign keys are looked at when the transaction ends, so any order will do."""
    connection = connections[SQLITE]
    quote = connection.ops.quote_name
    key = model._meta.pk
    assert key is not None
    sql = f"DELETE FROM {quote(model._meta.db_table)} WHERE {quote(str(key.column))} = %s"
    with connection.cursor() as cursor:
        cursor.executemany(sql, [[stored_key(each)] for each in keys])


@cache
def _converters(model: type[models.Model]) -> dict[str, list[Any]]:
    """What Django does with a value that comes out of SQLite."""
    connection: Any = connections[SQLITE]
    found = {}
    for field in fields_of(model):
        column = field.get_col(model._meta.db_table)
        parts = [
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        ]
        found[field.attname] = [_bound(part, column) for part in parts]
    return found


def _bound(convert: Any, column: Any) -> Any:
    return lambda value: convert(value, column, connections[SQLITE])
