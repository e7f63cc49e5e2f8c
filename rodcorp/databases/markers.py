"""The marker a unit of work leaves: that it was committed, and what it answered.

It is inserted, never looked up: a look-up can miss a marker that is about to be committed, a
second insert waits for it. On the primary the same statement reads this host's row under a lock
that lasts until the commit, so that no unit can commit behind a switch it did not see.
"""

import json
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from rodcorp.databases import results
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.fence import Fenced
from rodcorp.databases.fields import MICROSOFT
from rodcorp.databases.models import Host, UnitMarker
from rodcorp.databases.primary import KEEPS_TRANSACTION, MSSQL
from rodcorp.databases.sides import mode_file
from rodcorp.errors import KeyReused

if TYPE_CHECKING:
    from rodcorp.databases.units import Unit


class AlreadyCommitted(Exception):
    """The marker is there: this unit took effect before."""


class HostUnknown(Exception):
    """The primary has no row for this host: it was restored, or this host is new to it."""


def insert(unit: "Unit", body_hash: str | None, *, guarded: bool = True) -> None:
    """Raises `AlreadyCommitted`, and on the primary `Fenced` or `HostUnknown`. Unguarded, it only
    asks whether the marker is there."""
    connection = connections[unit.alias]
    guard = guarded and unit.alias == MSSQL
    sql, parameters = _statement(connection, _marker(unit, body_hash), guard=guard)
    if guard:
        sql += _guard(connection)
        parameters += [_value(connection, Host, "id", mode_file().host_id()), unit.side.epoch]
    if unit.is_nested and connection.vendor == MICROSOFT:
        # A key that was used before must not end the transaction around this unit.
        sql = f"{KEEPS_TRANSACTION} {sql}; SET XACT_ABORT ON;"
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            inserted = cursor.rowcount
    except Exception as error:
        if classify(error, Phase.WRITING).kind is Kind.DUPLICATE:
            raise AlreadyCommitted from error
        raise
    if guard and inserted == 0:
        known = Host.objects.using(MSSQL).filter(pk=mode_file().host_id()).exists()
        raise Fenced if known else HostUnknown


def finish(unit: "Unit", result: Any, *, with_result: bool) -> None:
    """What a marker that was inserted first could not know yet."""
    values = {"changes": unit.changes_digest, "touched": unit.touched_rows}
    if with_result:
        values["result"] = json.dumps(results.encode(result))
    if UnitMarker.objects.using(unit.alias).filter(pk=unit.id).update(**values) != 1:
        raise TransactionManagementError(
            f"{unit.operation}: the transaction ended before the unit did; nothing was written."
        )


def stored_result(unit: "Unit", body_hash: str) -> Any:
    """What the unit answered when it took effect."""
    marker = UnitMarker.objects.using(unit.alias).get(pk=unit.id)
    if marker.body_hash != body_hash:
        raise KeyReused(
            "This key was already used for another request; send a new key with a new request.",
            field="key",
        )
    return results.decode(json.loads(marker.result or "null"), alias=unit.alias)


def _marker(unit: "Unit", body_hash: str | None) -> UnitMarker:
    return UnitMarker(
        id=unit.id,
        operation=unit.operation,
        caller=f"{unit.actor.kind}:{unit.actor.id}"[:150],
        body_hash=body_hash or "",
        changes=unit.changes_digest,
        touched=unit.touched_rows,
        created_at=unit.now,
    )


def _statement(
    connection: BaseDatabaseWrapper, marker: UnitMarker, *, guard: bool
) -> tuple[str, list[Any]]:
    quote = connection.ops.quote_name
    # a NULL would have no type in a SELECT
    fields = [f for f in marker._meta.concrete_fields if getattr(marker, f.attname) is not None]
    table = quote(marker._meta.db_table)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    parameters = [f.get_db_prep_save(getattr(marker, f.attname), connection) for f in fields]
    values = f"SELECT {places}" if guard else f"VALUES ({places})"
    return f"INSERT INTO {table} ({columns}) {values}", parameters


def _guard(connection: BaseDatabaseWrapper) -> str:
    """One row if this host's epoch is no newer than the unit's, and it stays so until the unit
    ends: the lock has to be named, because under READ_COMMITTED_SNAPSHOT a read takes none."""
    quote = connection.ops.quote_name
    lock = " WITH (REPEATABLEREAD, ROWLOCK)" if connection.vendor == MICROSOFT else ""
    columns = {field.name: quote(str(field.column)) for field in Host._meta.concrete_fields}
    return (
        f" FROM {quote(Host._meta.db_table)}{lock} "
        f"WHERE {columns['id']} = %s AND {columns['epoch']} <= %s"
    )


def _value(connection: BaseDatabaseWrapper, model: Any, field: str, value: Any) -> Any:
    return model._meta.get_field(field).get_db_prep_value(value, connection)
