"""The marker a unit of work leaves: that it was committed, and what it answered.

It is inserted, never looked up: a look-up can miss a marker that is about to be committed, a
second insert waits for it. On the primary the same statement reads this host's row under a lock
that lasts until the commit, so that no unit can commit behind a switch it did not see.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from rodcorp.databases import results
from rodcorp.databases.configuration import SQLITE as SQLITE_ALIAS
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.fence import Fenced
from rodcorp.databases.fields import MICROSOFT, SQLITE
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
    sql = _statement(connection, guard=guard)
    parameters = _parameters(connection, unit, body_hash)
    if guard:
        parameters += [_key(connection, Host, mode_file().host_id()), unit.side.epoch]
    if len(connection.atomic_blocks) > 1 and connection.vendor == MICROSOFT:
        # A key that was used before must not end the transaction around this unit.
        sql = f"{KEEPS_TRANSACTION} {sql}; SET XACT_ABORT ON;"
    try:
        inserted = _execute(connection, sql, parameters)
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


# All but the answer, which is not known yet.
_COLUMNS = ("id", "operation", "caller", "body_hash", "changes", "touched", "created_at")


# by vendor, and whether it is guarded
_statements: dict[tuple[str, bool], str] = {}


def _statement(connection: BaseDatabaseWrapper, *, guard: bool) -> str:
    about = connection.vendor, guard
    if about not in _statements:
        _statements[about] = _made(*about, connection.ops.quote_name)
    return _statements[about]


def _execute(connection: Any, sql: str, parameters: list[Any]) -> int:
    if connection.vendor == SQLITE and connection.alias == SQLITE_ALIAS:
        # without Django's cursor: each unit on the copy does it
        return int(connection.connection.execute(sql.replace("%s", "?"), parameters).rowcount)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def _made(vendor: str, guard: bool, quote: Callable[[str], str]) -> str:
    columns = ", ".join(quote(str(_field(UnitMarker, name).column)) for name in _COLUMNS)
    places = ", ".join(["%s"] * len(_COLUMNS))
    values = f"SELECT {places}{_guard(vendor, quote)}" if guard else f"VALUES ({places})"
    return f"INSERT INTO {quote(UnitMarker._meta.db_table)} ({columns}) {values}"


def _guard(vendor: str, quote: Callable[[str], str]) -> str:
    """One row if this host's epoch is no newer than the unit's, and it stays so until the unit
    ends: the lock has to be named, because under READ_COMMITTED_SNAPSHOT a read takes none."""
    lock = " WITH (REPEATABLEREAD, ROWLOCK)" if vendor == MICROSOFT else ""
    key, epoch = (quote(str(_field(Host, name).column)) for name in ("id", "epoch"))
    return f" FROM {quote(Host._meta.db_table)}{lock} WHERE {key} = %s AND {epoch} <= %s"


def _parameters(connection: BaseDatabaseWrapper, unit: "Unit", body_hash: str | None) -> list[Any]:
    return [
        _key(connection, UnitMarker, unit.id),
        unit.operation,
        f"{unit.actor.kind}:{unit.actor.id}"[:150],
        body_hash or "",
        unit.changes_digest,
        # too many to list; a NULL would have no type in a SELECT
        unit.touched_rows or "",
        _field(UnitMarker, "created_at").get_db_prep_value(unit.now, connection),
    ]


def _key(connection: BaseDatabaseWrapper, model: Any, value: UUID) -> Any:
    return _field(model, "id").get_db_prep_value(value, connection)


@cache
def _field(model: Any, name: str) -> Any:
    return model._meta.get_field(name)
