"""The journal: what was written to the copy while it was the active database.

Triggers on every replicated table write it in the transaction of the row they tell of, below the
ORM, so that `update()`, bulk and raw statements are in it too. A trigger asks the connection which
unit of work is open; a writer who cannot say is refused. It also reads the fence, so that nothing
is written to a copy that is closed, not even outside a transaction.

The tables here belong to the engine and to SQLite alone. Django's models do not know them: a remade
table drops its triggers, and `migrate` must not drop what was not replayed yet.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.current import current_unit
from rodcorp.databases.failure_codes import FENCED_TEXT
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.sides import has_primary
from rodcorp.databases.sync.rules import rules

# What the triggers call; each connection of ours answers it, a foreign one has no such function.
WRITER_FUNCTION = "rodcorp_writer"

# The writer of rows that come from the primary: they are not to be sent back.
FEED = "feed"

# The writer of what is no unit of work: when somebody was last seen. Replay reads the row as it is
# by then, so one entry a row is enough.
PRESENCE = "presence"

NO_UNIT = "rodcorp: a write to the copy outside a unit of work"

_TABLES = (
    """CREATE TABLE IF NOT EXISTS rodcorp_fence (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
        epoch INTEGER NOT NULL)""",
    "INSERT OR IGNORE INTO rodcorp_fence (id, is_open, epoch) VALUES (1, 0, 0)",
    """CREATE TABLE IF NOT EXISTS rodcorp_journal (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        unit TEXT NOT NULL,
        table_name TEXT NOT NULL,
        row_key TEXT NOT NULL,
        operation TEXT NOT NULL CHECK (operation IN ('I', 'U', 'D')),
        base TEXT,
        base_version INTEGER)""",
    "CREATE INDEX IF NOT EXISTS rodcorp_journal_row ON rodcorp_journal (table_name, row_key)",
    """CREATE TABLE IF NOT EXISTS rodcorp_versions (
        table_name TEXT NOT NULL,
        row_key TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (table_name, row_key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS rodcorp_copy (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        has_seen_primary INTEGER NOT NULL CHECK (has_seen_primary IN (0, 1)),
        complete_at REAL,
        revision TEXT,
        cursor INTEGER NOT NULL DEFAULT 0,
        seen_schema INTEGER,
        lease TEXT NOT NULL DEFAULT '')""",
    "INSERT OR IGNORE INTO rodcorp_copy (id, has_seen_primary) VALUES (1, 0)",
    # rows of the primary that must wait until the journal is empty
    """CREATE TABLE IF NOT EXISTS rodcorp_later (
        table_name TEXT NOT NULL,
        row_key TEXT NOT NULL,
        PRIMARY KEY (table_name, row_key)) WITHOUT ROWID""",
)

_writer: ContextVar[str | None] = ContextVar("rodcorp_writer", default=None)


@dataclass(frozen=True)
class Entry:
    """One row's change. `base` holds the columns as they were: those that changed, or for a
    deletion all of them; `base_version` is the primary's version they were read at, if any."""

    sequence: int
    unit: str
    table: str
    key: str
    operation: str
    base: dict[str, Any] | None
    base_version: int | None


def writer() -> str | None:
    """Who writes now, as the triggers see it: the open unit, the feed, presence, or nobody."""
    unit = current_unit()
    return unit.outermost.id.hex if unit else _writer.get()


@contextmanager
def as_feed() -> Iterator[None]:
    """Rows written here come from the primary: they are not journaled and pass a closed fence."""
    with _as(FEED):
        yield


@contextmanager
def as_presence() -> Iterator[None]:
    """Rows written here say when somebody was last seen, outside any unit of work."""
    with _as(PRESENCE):
        yield


@contextmanager
def _as(name: str) -> Iterator[None]:
    token = _writer.set(name)
    try:
        yield
    finally:
        _writer.reset(token)


def prepare() -> None:
    """Introduce every connection to the copy from now on; without a primary there is none."""
    connection_created.connect(_introduce_copy, dispatch_uid="rodcorp.databases.journal")


def introduce(connection: BaseDatabaseWrapper) -> None:
    """Let a new connection answer who writes."""
    # one statement has one writer, so SQLite need not ask for every row
    connection.connection.create_function(WRITER_FUNCTION, 0, writer, deterministic=True)


def _introduce_copy(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.alias == SQLITE and has_primary():
        introduce(connection)


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the engine's tables and, from the models as they are now, all triggers."""
    with connection.cursor() as cursor:
        for statement in _TABLES:
            cursor.execute(statement)
        for name in installed(connection):
            cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")
        for statement in triggers(connection).values():
            cursor.execute(statement)
    _note_whole(connection)


def is_installed(connection: BaseDatabaseWrapper) -> bool:
    """Whether this file was made a copy."""
    return "rodcorp_copy" in connection.introspection.table_names()


def is_whole(connection: BaseDatabaseWrapper) -> bool:
    """Whether nothing was done to the schema since all triggers were seen to be there. A few
    microseconds; if not, `missing` tells."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seen_schema FROM rodcorp_copy")
        seen = cursor.fetchone()[0]
        return bool(seen == _schema_version(cursor))


def _note_whole(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        version = _schema_version(cursor)
        cursor.execute("UPDATE rodcorp_copy SET seen_schema = %s", [version])


def _schema_version(cursor: Any) -> int:
    """SQLite counts every change of the schema."""
    cursor.execute("PRAGMA schema_version")
    return int(cursor.fetchone()[0])


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Triggers that are not there or not as they should be; a table remake drops them. Some
    milliseconds."""
    there = installed(connection)
    return [name for name, sql in triggers(connection).items() if there.get(name) != sql]


def installed(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The engine's triggers in the file, by name, as they were written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rodcorp%%'"
        )
        return dict(cursor.fetchall())


def triggers(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The statement that makes each trigger, by its name."""
    made: dict[str, str] = {}
    for model in replicated_models():
        for operation in ("insert", "update", "delete"):
            name = f"rodcorp_{operation}_{model._meta.db_table}"
            made[name] = _trigger(connection, model, name, operation)
    return made


def entries(connection: BaseDatabaseWrapper, *, after: int = 0, limit: int = 1_000) -> list[Entry]:
    """What was journaled after a sequence, in the order it was committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequence, unit, table_name, row_key, operation, base, base_version "
            "FROM rodcorp_journal WHERE sequence > %s ORDER BY sequence LIMIT %s",
            [after, limit],
        )
        return [_entry(row) for row in cursor.fetchall()]


def later_entries(connection: BaseDatabaseWrapper, table: str, key: str, after: int) -> list[Entry]:
    """What was journaled of one row after a sequence, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sequence, unit, table_name, row_key, operation, base, base_version "
            "FROM rodcorp_journal WHERE table_name = %s AND row_key = %s AND sequence > %s "
            "ORDER BY sequence",
            [table, key, after],
        )
        return [_entry(row) for row in cursor.fetchall()]


def count(connection: BaseDatabaseWrapper) -> int:
    """How many changes wait to be replayed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rodcorp_journal")
        return int(cursor.fetchone()[0])


def tables(connection: BaseDatabaseWrapper) -> set[str]:
    """Those of which changes wait to be replayed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT table_name FROM rodcorp_journal")
        return {row[0] for row in cursor.fetchall()}


def last_sequence(connection: BaseDatabaseWrapper) -> int:
    """Of the newest entry there ever was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rodcorp_journal'")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def count_on_from(connection: BaseDatabaseWrapper, sequence: int) -> None:
    """An older copy that was put back would number new changes like those that are home already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'rodcorp_journal', 0 "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'rodcorp_journal')"
        )
        cursor.execute(
            "UPDATE sqlite_sequence SET seq = %s WHERE name = 'rodcorp_journal' AND seq < %s",
            [sequence, sequence],
        )


def forget(connection: BaseDatabaseWrapper, sequences: Iterable[int]) -> None:
    """Drop entries that were replayed; in the transaction that settles their rows."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM rodcorp_journal WHERE sequence = %s", [(number,) for number in sequences]
        )


def _entry(row: tuple[Any, ...]) -> Entry:
    sequence, unit, table, key, operation, base, version = row
    image = None if base is None else json.loads(base)
    return Entry(sequence, unit, table, key, operation, image, version)


# The names below come from the models, never from outside; identifiers cannot be parameters.


def _trigger(
    connection: BaseDatabaseWrapper, model: type[models.Model], name: str, operation: str
) -> str:
    quote = connection.ops.quote_name
    table = model._meta.db_table
    key = quote(str(model._meta.pk.column))
    columns = [str(field.column) for field in model._meta.concrete_fields]
    derived = rules()[table].derived
    told = [str(f.column) for f in model._meta.concrete_fields if f.attname not in derived]
    row = "NEW" if operation == "insert" else "OLD"
    base = {
        "insert": "NULL",
        "update": _changed(quote, columns),
        "delete": f"json_object({', '.join(f'{_text(c)}, OLD.{quote(c)}' for c in columns)})",
    }[operation]
    return (
        f"CREATE TRIGGER {quote(name)} AFTER {operation.upper()} ON {quote(table)} "
        f"WHEN {WRITER_FUNCTION}() IS NOT '{FEED}'{_but_own_marker(quote, model, operation)} BEGIN "
        f"SELECT RAISE(ABORT, '{NO_UNIT}') WHERE {WRITER_FUNCTION}() IS NULL; "
        f"SELECT RAISE(ABORT, '{FENCED_TEXT}') FROM rodcorp_fence WHERE is_open = 0; "
        "INSERT INTO rodcorp_journal "
        "(unit, table_name, row_key, operation, base, base_version) "
        f"SELECT {WRITER_FUNCTION}(), {_text(table)}, {row}.{key}, '{operation[0].upper()}', "
        f"{base}, (SELECT version FROM rodcorp_versions "
        f"WHERE table_name = {_text(table)} AND row_key = {row}.{key}) "
        f"WHERE ({WRITER_FUNCTION}() <> '{PRESENCE}' OR NOT EXISTS (SELECT 1 FROM rodcorp_journal "
        f"WHERE table_name = {_text(table)} AND row_key = {row}.{key} "
        f"AND unit = '{PRESENCE}')){_if_changed(quote, told, operation)}; END"
    )


def _but_own_marker(quote: Any, model: type[models.Model], operation: str) -> str:
    """The marker of a unit without a key is found by the unit's id; it comes after the unit's rows,
    whose triggers have asked the fence."""
    if model is not UnitMarker or operation != "insert":
        return ""
    columns = {field.name: quote(str(field.column)) for field in model._meta.concrete_fields}
    key, body = columns["id"], columns["body_hash"]
    return f" AND (NEW.{body} <> '' OR NEW.{key} IS NOT {WRITER_FUNCTION}())"


def _if_changed(quote: Any, columns: list[str], operation: str) -> str:
    """Columns that follow from other rows need not be told; neither need an update of nothing."""
    if operation != "update":
        return ""
    differs = " OR ".join(f"OLD.{quote(c)} IS NOT NEW.{quote(c)}" for c in columns)
    return f" AND ({differs})"


def _changed(quote: Any, columns: list[str]) -> str:
    """The old values of the columns that differ, as one JSON object."""
    parts = " UNION ALL ".join(
        f"SELECT {_text(c)} AS n, OLD.{quote(c)} AS v WHERE OLD.{quote(c)} IS NOT NEW.{quote(c)}"
        for c in columns
    )
    return f"(SELECT json_group_object(n, v) FROM ({parts}))"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
