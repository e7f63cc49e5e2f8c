"""What the databases themselves refuse, whoever asks: a model, a bulk or raw statement, another
program.

A department declares it in its `triggers` module. The triggers are made after every migrate (a
table that SQLite remakes loses them) and looked at when the program starts. Two may pass: rows of
the primary on their way into a copy, and what is written inside `rewriting`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils.module_loading import autodiscover_modules

from rodcorp.databases import journal
from rodcorp.databases.configuration import LOCAL, SQLITE
from rodcorp.databases.failure_codes import FINAL_NUMBER
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.fields import MICROSOFT
from rodcorp.databases.fields import SQLITE as SQLITE_VENDOR
from rodcorp.databases.sides import has_primary
from rodcorp.errors import RodCorpError

# The lock that a transaction on SQL Server holds while it may rewrite. A setting of the session
# would outlive a transaction that fails.
REWRITES = "rodcorp_rewrites"

# Inside a trigger on SQL Server: true unless this transaction may rewrite.
IS_SHUT = f"APPLOCK_MODE('public', '{REWRITES}', 'Transaction') = 'NoLock'"

logger = logging.getLogger(__name__)

_is_rewriting: ContextVar[bool] = ContextVar("rodcorp_is_rewriting", default=False)

# Triggers by their name: the statement that makes each.
Triggers = dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """`text` is what the database says. A service then raises `error`, unless the unit only has to
    run again.

    `on_sqlite` is told whether the file is a copy, which the feed writes to. What its triggers ask
    is `is_refused`. `tables` must be there before a trigger can be made.
    """

    text: str
    error: type[RodCorpError]
    tables: tuple[str, ...]
    on_sqlite: Callable[[bool], Triggers]
    on_sql_server: Callable[[], Triggers]

    def __post_init__(self) -> None:
        # it is quoted as text and as a name, and SQLite's names of functions end at 255 bytes
        assert not set(self.text) & set("'\"%")
        assert len(self.text.encode()) < 256


_REFUSALS: list[Refusal] = []


def declare(*refusals: Refusal) -> None:
    """In a department's `triggers` module."""
    _REFUSALS.extend(refusals)


@cache
def all_refusals() -> tuple[Refusal, ...]:
    autodiscover_modules("triggers")
    return tuple(_REFUSALS)


def told(error: Exception) -> RodCorpError | None:
    """What a service says when a database refused; None if it did not, or the unit runs again."""
    said = str(error)
    for refusal in all_refusals():
        if refusal.text in said and classify(error, Phase.WRITING).kind is Kind.DATA:
            return refusal.error(f"{refusal.text}.")
    return None


# --- the door -----------------------------------------------------------------------------------
@contextmanager
def rewriting(alias: str) -> Iterator[None]:
    """Final rows may be changed and deleted in here, in the transaction that is open on `alias`.

    Only for rows that never were anybody's: the sample's.
    """
    connection = connections[alias]
    assert connection.in_atomic_block, "the door is open within a transaction only"
    token = _is_rewriting.set(True)
    try:
        if connection.vendor == MICROSOFT:
            _lock(connection, f"sp_getapplock @Resource = N'{REWRITES}', @LockMode = N'Shared'")
        yield
        if connection.vendor == MICROSOFT:
            # after an error the end of the transaction lets go of it
            _lock(connection, f"sp_releaseapplock @Resource = N'{REWRITES}'")
    finally:
        _is_rewriting.reset(token)


def _lock(connection: BaseDatabaseWrapper, call: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXEC {call}, @LockOwner = N'Transaction'")


def _is_refused() -> bool:
    return not _is_rewriting.get() and journal.writer() != journal.FEED


def is_refused(text: str) -> str:
    """In a trigger on SQLite: false where the feed writes or the door is open.

    The function is called like the text, so that a foreign connection, which has no such function,
    is told the same: `no such function: ...`.
    """
    return f'"{text}"()'


def prepare() -> None:
    """Let every connection to a file with the company's data answer from now on."""
    connection_created.connect(_introduce, dispatch_uid="rodcorp.databases.refusals")


def _introduce(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if connection.vendor == SQLITE_VENDOR and connection.alias != LOCAL:
        for refusal in all_refusals():
            # one statement has one writer, so SQLite need not ask for every row
            connection.connection.create_function(refusal.text, 0, _is_refused, deterministic=True)


# --- the triggers -------------------------------------------------------------------------------
def install(connection: BaseDatabaseWrapper) -> None:
    """Make all triggers anew whose tables are there."""
    remove(connection)
    with connection.cursor() as cursor:
        for statement in triggers(connection).values():
            cursor.execute(statement)


def put_back(connection: BaseDatabaseWrapper) -> list[str]:
    """Make what is missing or was altered; which that were."""
    lacking = list(missing(connection))
    if lacking:
        logger.warning("Triggers of '%s' are made anew: %s", connection.alias, ", ".join(lacking))
        install(connection)
    return lacking


def remove(connection: BaseDatabaseWrapper) -> None:
    """For migrations: SQLite cannot remake a table that a trigger of another one reads."""
    there = installed(connection)
    with connection.cursor() as cursor:
        for name in _every(connection):
            if name.lower() in there:
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")


def missing(connection: BaseDatabaseWrapper) -> dict[str, bool]:
    """Triggers that are not there, are switched off, or are not as they should be; and whether
    there is one of that name."""
    there = installed(connection)
    return {
        name: name.lower() in there
        for name, sql in triggers(connection).items()
        if there.get(name.lower()) != sql
    }


def installed(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The triggers in the database by their name in small letters, as they were written. One that
    is switched off is empty."""
    wanted = _every(connection)
    with connection.cursor() as cursor:
        if connection.vendor == MICROSOFT:
            of_all = "SELECT name, OBJECT_DEFINITION(object_id), is_disabled FROM sys.triggers"
        else:
            of_all = "SELECT name, sql, 0 FROM sqlite_master WHERE type = 'trigger'"
        cursor.execute(of_all)
        found = {str(name).lower(): (sql, is_off) for name, sql, is_off in cursor.fetchall()}
    there = {}
    for name, statement in wanted.items():
        if name.lower() in found:
            sql, is_off = found[name.lower()]
            # a login that may not read the definition believes that it is the right one
            there[name.lower()] = "" if is_off else (statement if sql is None else str(sql))
    return there


def triggers(connection: BaseDatabaseWrapper) -> Triggers:
    """The statement that makes each trigger, by its name, of those whose tables are there."""
    is_server = connection.vendor == MICROSOFT
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sys.tables"
            if is_server
            else "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        tables = {str(name).lower() for [name] in cursor.fetchall()}
    return _of(
        connection,
        [each for each in all_refusals() if tables.issuperset(map(str.lower, each.tables))],
    )


def table_of(trigger: str) -> str:
    return trigger.rpartition("_")[0]


def _every(connection: BaseDatabaseWrapper) -> Triggers:
    return _of(connection, all_refusals())


def _of(connection: BaseDatabaseWrapper, refusals: Iterable[Refusal]) -> Triggers:
    made: Triggers = {}
    if connection.alias == LOCAL:
        return made
    is_copy = connection.alias == SQLITE and has_primary()
    for refusal in refusals:
        if connection.vendor == MICROSOFT:
            made |= refusal.on_sql_server()
        else:
            made |= refusal.on_sqlite(is_copy)
    return made


# --- rows that are final ------------------------------------------------------------------------
# The names below come from the models, never from outside; identifiers cannot be parameters.


def final(model: type[models.Model], text: str, error: type[RodCorpError]) -> Refusal:
    """Rows of this model are inserted and never changed or deleted."""
    table = model._meta.db_table
    return Refusal(
        text,
        error,
        (table,),
        lambda is_copy: _final_on_sqlite(model, text, is_copy=is_copy),
        lambda: _final_on_sql_server(table, text),
    )


def _final_on_sqlite(model: type[models.Model], text: str, *, is_copy: bool) -> Triggers:
    table, asked = model._meta.db_table, is_refused(text)
    made = {}
    for operation in ("Update", "Delete"):
        name = f"{table}_No{operation}"
        made[name] = (
            f'CREATE TRIGGER "{name}" BEFORE {operation.upper()} ON "{table}" WHEN {asked} '
            f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
        )
    # INSERT OR REPLACE of a connection without recursive triggers deletes past the one above. Other
    # programs may insert into a file that is no copy, so nothing is asked there.
    name = f"{table}_NoReplace"
    when = f"WHEN {asked} " if is_copy else ""
    looks = " ".join(_duplicate(table, columns) for columns in _unique(model))
    made[name] = f'CREATE TRIGGER "{name}" BEFORE INSERT ON "{table}" {when}BEGIN {looks} END'
    return made


def _unique(model: type[models.Model]) -> Iterator[list[str]]:
    """The columns that only one row may have a value of. Where they have a condition here, it is
    that there is one at all."""
    assert model._meta.pk is not None
    yield [str(model._meta.pk.column)]
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            fields: list[Any] = [model._meta.get_field(name) for name in constraint.fields]
            yield [str(field.column) for field in fields]


def _duplicate(table: str, columns: list[str]) -> str:
    """In SQLite's own words, as the constraint would say it next."""
    named = ", ".join(f"{table}.{column}" for column in columns)
    same = " AND ".join(f'"{column}" = NEW."{column}"' for column in columns)
    return (
        f"SELECT RAISE(ABORT, 'UNIQUE constraint failed: {named}') "
        f'WHERE EXISTS (SELECT 1 FROM "{table}" WHERE {same});'
    )


def _final_on_sql_server(table: str, text: str) -> Triggers:
    """Without NOCOUNT Django would read the trigger's counts for the statement's."""
    name = f"{table}_Final"
    return {
        name: f"CREATE TRIGGER [{name}] ON [{table}] AFTER UPDATE, DELETE AS BEGIN SET NOCOUNT ON; "
        f"IF EXISTS (SELECT 1 FROM deleted) AND {IS_SHUT} "
        f"THROW {FINAL_NUMBER}, N'{text}', 1; END"
    }
