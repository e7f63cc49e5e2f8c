"""mssql-django's backend, with three things of our own.

- Connections are leased from this process's pool, and an idle one is leased without asking the
  server anything.
- Opening one takes bounded time, however the server hangs.
- A transaction that an error has ended stays ended. SQL Server ends it on any error (`XACT_ABORT`),
  also on one that somebody catches, and the driver then begins another without a word: what was
  written before is gone, what is written after would be committed. So from the error on
  `needs_rollback` is true until the outermost block has rolled back, whoever sets it to False.
"""

import contextlib
import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, Error, OperationalError
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from mssql import base  # type: ignore[import-untyped]

from rodcorp.databases import pool
from rodcorp.databases.deadline import Deadline
from rodcorp.databases.driver import NAME as DRIVER
from rodcorp.databases.failure_codes import UNREACHED_TEXT
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.primary import KEEPS_TRANSACTION, session_sql
from rodcorp.databases.reach import Reach, reach

# Seconds for the first look: the driver reports a refused connection only after its login timeout.
REACH_S = 0.3

# Seconds beyond the driver's login timeout for what it does not apply to: TLS, its own first
# statements and ours.
GRACE_S = 1.0

# Text that leaves a session unlike a new one, so that nobody else may get it. With parameters it is
# a procedure's, and SQL Server puts back what that has set.
_ALTERS_SESSION = re.compile(
    r"\bSET\s+(?!NOCOUNT\b|IDENTITY_INSERT\b)\w+\s+[^=\s]|\bBEGIN\s+TRAN|^\s*USE\s", re.I
)
# A lock that is the session's outlives any statement.
_LOCKS = "sp_getapplock"


class Unreachable(OperationalError):
    """No connection could be opened; `failures` knows the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"SQL Server was {UNREACHED_TEXT}{reason}.")


class Cursor(base.CursorWrapper):  # type: ignore[misc]
    """Tells its connection of every error, with what it was about."""

    active: bool
    keeps_transaction = False

    def execute(self, sql: str, params: Any = None) -> Any:
        sql, params = _without_nulls(sql, params)
        self.keeps_transaction = bool(params) and sql.startswith(KEEPS_TRANSACTION)
        if _LOCKS in sql or (not params and _ALTERS_SESSION.search(sql)):
            self.connection.keep_to_myself()
        return self._watched(super().execute, sql, params)

    def executemany(self, sql: str, params_list: Any = ()) -> Any:
        self.keeps_transaction = False
        return self._watched(super().executemany, sql, params_list)

    def fetchone(self) -> Any:
        return self._watched(super().fetchone)

    def fetchmany(self, chunk: int) -> Any:
        return self._watched(super().fetchmany, chunk)

    def fetchall(self) -> Any:
        return self._watched(super().fetchall)

    def nextset(self) -> Any:
        return self._watched(self.cursor.nextset)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self.cursor
        except base.Database.Error as error:
            self.connection.failed(error)
            raise

    def close(self) -> None:
        """One whose connection was thrown away has nothing left to close; the driver would raise,
        and hide the error that was the reason."""
        if self.active and self.cursor.connection.closed:
            self.active = False
        super().close()

    def _watched(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except base.Database.Error as error:
            self.connection.failed(error, keeps_transaction=self.keeps_transaction)
            raise


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    # False: a connection of its own, which does not count. To be set before it is used.
    is_pooled = True

    # the driver's
    connection: Any
    _is_lost = False

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        self.is_pooled = alias != NO_DB_ALIAS
        self.lease: pool.Lease | None = None
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()
        # mssql-django asks each connection for these; our settings leave no choice.
        self._is_microsoft_driver, self.supports_mars = True, False

    # --- leasing --------------------------------------------------------------------------------
    def ensure_connection(self) -> None:
        if self.lease is not None and not self.lease.is_ours:
            self._part()
        super().ensure_connection()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.lease is not None:
            self.lease.throw_away()  # somebody took the connection out of our hands
        self.lease = None
        self._is_lost = False
        self._cursors.clear()
        if not self.is_pooled:
            return self._open(conn_params)
        self.lease = self._pool().lease(lambda: self._open(conn_params), self)
        return self.lease.connection

    def init_connection_state(self) -> None:
        """Was done when the connection was opened."""

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor = Cursor(self.connection.cursor(), self)
        self._cursors.add(cursor)
        return cursor

    def keep_to_myself(self) -> None:
        """The session is no longer like a new one, or broken: it is not given back."""
        if self.lease is not None:
            self.lease.is_reusable = False

    def throw_away(self) -> None:
        """The connection is broken. Nobody gets it again, nor any other that is open now."""
        raw, lease = self.connection, self.lease
        self._part()
        if lease is not None:
            lease.throw_away()
        elif raw is not None:
            _close(raw)
        pool.clear()

    def _part(self) -> None:
        """Without a word to the server. An open transaction cannot go on elsewhere: the outermost
        block ends without a commit."""
        if self.connection is not None and not self.autocommit:
            self.closed_in_transaction = True
            self._is_lost = True
        self.connection = self.lease = None

    def _close(self) -> None:
        lease, self.lease = self.lease, None
        if lease is None:
            super()._close()
        elif self.in_atomic_block:
            # Django keeps it until the block ends, so nobody else may have it
            lease.throw_away()
        else:
            lease.give_back(self._clean)

    def _clean(self, raw: Any) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        _clean(raw)

    def _pool(self) -> pool.Pool:
        settings = self.settings_dict
        named = (settings[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD"))
        key = (*named, str(settings["OPTIONS"]), str(settings["LIMITS"]))
        return pool.pool_for(key, lambda: _pool_of(settings))

    # --- opening --------------------------------------------------------------------------------
    def _open(self, conn_params: dict[str, Any]) -> Any:
        """With the session set up. Raises `Unreachable`, or what the server says."""
        options = conn_params["OPTIONS"]
        reached = _reach(conn_params)
        if reached in (Reach.TIMED_OUT, Reach.DROPPED, Reach.REFUSED):
            # one lost packet moves nobody
            reached = _reach(conn_params)
        if reached is not Reach.REACHABLE:
            raise Unreachable(reached.value)
        deadline = _deadline(
            options["connection_timeout"] + GRACE_S,
            conn_params["LIMITS"]["max_connections"],
            os.getpid(),
        )
        try:
            return deadline.run(lambda: self._log_in(conn_params), _close)
        except TimeoutError:
            pass
        except base.Database.Error as error:
            if error.args[:1] != ("HYT00",):
                raise
        # outside the `except`: with the driver's error as its cause it would be taken for that
        raise Unreachable("login timed out")

    def _log_in(self, conn_params: dict[str, Any]) -> Any:
        options = conn_params["OPTIONS"]
        raw = base.Database.connect(
            self._build_connection_string(conn_params, DRIVER),
            timeout=options["connection_timeout"],
            autocommit=True,
        )
        try:
            raw.add_output_converter(base.SQL_TIMESTAMP_WITH_TIMEZONE, base.handle_datetimeoffset)
            raw.timeout = options["query_timeout"]
            with contextlib.closing(raw.cursor()) as cursor:
                cursor.execute(_first_batch(conn_params))
                while cursor.nextset():
                    pass
            self._learn_version(raw)
        except BaseException:
            _close(raw)
            raise
        return raw

    def _learn_version(self, raw: Any) -> None:
        """Once in a process: mssql-django remembers it for the alias."""
        if self.alias not in self._known_versions:
            asking = type(self)(self.settings_dict, self.alias)
            asking.connection = raw
            asking._fetch_server_properties()

    # --- transactions ---------------------------------------------------------------------------
    @property
    def needs_rollback(self) -> bool:
        return self._needs_rollback or self._is_lost

    @needs_rollback.setter
    def needs_rollback(self, value: bool) -> None:
        self._needs_rollback = value

    def failed(self, error: Exception, *, keeps_transaction: bool = False) -> None:
        """What an error means for this connection and its transaction."""
        failure = classify(error, Phase.WRITING)
        survives = keeps_transaction and failure.kind is Kind.DUPLICATE
        if not self.autocommit and not survives:
            self._is_lost = True
            self.rollback_exc = error
        if failure.drops_connection:
            self.keep_to_myself()
        if error.args and str(error.args[0]).startswith("08"):
            self.throw_away()

    def _on_error(self, error: Exception) -> None:
        """mssql-django's; the cursor says it to `failed`."""

    def _commit(self) -> None:
        self._refuse_if_lost()
        try:
            with self._noticing():
                super()._commit()
        except DatabaseError:
            raise
        except Error as error:
            # a deadlock's victim; Django rolls back after a DatabaseError only
            raise DatabaseError(*error.args) from error

    def _rollback(self) -> None:
        with self._noticing():
            super()._rollback()
        self._is_lost = False

    def _set_autocommit(self, autocommit: bool) -> None:
        if autocommit:
            self._refuse_if_lost()
        if self.connection.autocommit is not autocommit:
            with self._noticing(), self.wrap_database_errors:
                self.connection.autocommit = autocommit

    def _savepoint(self, sid: str) -> None:
        """The driver has begun the transaction already; mssql-django would ask."""
        BaseDatabaseWrapper._savepoint(self, sid)  # type: ignore[attr-defined]

    def _savepoint_rollback(self, sid: str) -> None:
        BaseDatabaseWrapper._savepoint_rollback(self, sid)  # type: ignore[attr-defined]

    def _refuse_if_lost(self) -> None:
        if self._is_lost:
            raise TransactionManagementError(
                "An error has ended this transaction, so it can only be rolled back."
            ) from self.rollback_exc

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            self.failed(error)
            raise


def _reach(conn_params: Mapping[str, Any]) -> Reach:
    return reach(
        conn_params["HOST"],
        int(conn_params["PORT"]),
        budget_s=REACH_S,
        tls_first="Encrypt=strict" in conn_params["OPTIONS"]["extra_params"],
    ).reach


def _without_nulls(sql: str, params: Any) -> tuple[str, Any]:
    """With NULL in the statement instead of among its parameters. The driver asks the server for a
    NULL parameter's type in a statement of its own and hides what goes wrong in it, even when that
    ends the transaction: the rest would be committed without its beginning."""
    if not params or isinstance(params, Mapping) or not any(value is None for value in params):
        return sql, params
    parts = sql.split("%s")
    if len(parts) != len(params) + 1:
        return sql, params
    # in a CASE some value has to have a type
    null = "CAST(NULL AS NVARCHAR(1))" if "CASE" in sql else "NULL"
    marks = [null if value is None else "%s" for value in params]
    text = "".join(part + mark for part, mark in zip(parts, [*marks, ""], strict=True))
    return text, [value for value in params if value is not None]


def _first_batch(settings: Mapping[str, Any]) -> str:
    """The second half is mssql-django's: dates as Django writes them, weeks as it counts them."""
    return f"{session_sql(settings)} SET DATEFORMAT ymd; SET DATEFIRST 7;"


def _pool_of(settings: Mapping[str, Any]) -> pool.Pool:
    return pool.Pool(
        settings["LIMITS"]["max_connections"], settings["OPTIONS"]["connection_timeout"], _clean
    )


@lru_cache
def _deadline(seconds: float, limit: int, process: int) -> Deadline[Any]:
    return Deadline(seconds, limit=limit)


def _clean(raw: Any) -> None:
    """No transaction, and none begun by the next statement."""
    if not raw.autocommit:
        raw.rollback()
        raw.autocommit = True


def _close(raw: Any) -> None:
    with contextlib.suppress(Exception):
        raw.close()
