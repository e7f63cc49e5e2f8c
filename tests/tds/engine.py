"""One session's SQL: transactions, settings, and statements run on the store's SQLite."""

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from tests.tds.faults import Phase
from tests.tds.store import VERSION, Store, as_server_error, converted, to_store
from tests.tds.tokens import BEGUN, COMMITTED, ROLLED_BACK, Result, ServerError
from tests.tds.tsql import Statement, split, translate

PATIENCE_S = 10  # of a session that sets no LOCK_TIMEOUT; SQL Server would wait for ever
ENDS_TRANSACTION = {1205, 3960}
SETTINGS = (
    "DATEFORMAT|DATEFIRST|TEXTSIZE|ANSI_\\w+|QUOTED_IDENTIFIER|CONCAT_NULL_YIELDS_NULL|"
    "ARITHABORT|CURSOR_CLOSE_ON_COMMIT|IDENTITY_INSERT|LANGUAGE|DEADLOCK_PRIORITY|"
    "TRANSACTION ISOLATION LEVEL"
)
TEMPORARY = r"#\w+"
descriptors = itertools.count(1)


class Engine:
    """`around` is told of every commit, before and after; `pause` waits, and may raise."""

    def __init__(
        self, store: Store, around: Callable[[Phase], None], pause: Callable[[float], None]
    ) -> None:
        self.store, self.around, self.pause = store, around, pause
        self.connection = store.connect()
        self.depth = 0
        self.writing = False
        self.descriptor = 0
        self.changes: list[tuple[int, int]] = []
        self.temporary: dict[str, Result] = {}
        self.reset()

    def reset(self) -> None:
        """What a new session starts with; also sp_reset_connection."""
        self.implicit = self.aborts = self.quiet = False
        self.patience_s: float = PATIENCE_S

    @contextlib.contextmanager
    def keeping_settings(self) -> Iterator[None]:
        before = self.implicit, self.aborts, self.quiet, self.patience_s
        try:
            yield
        finally:
            self.implicit, self.aborts, self.quiet, self.patience_s = before

    def close(self) -> None:
        """SQLite rolls back what was open."""
        self.connection.close()
        self._give_turn()

    def run(self, batch: str, parameters: dict[str, Any]) -> Iterator[Result]:
        """A statement at a time, so that what came before an error is seen."""
        bound = {name: to_store(value) for name, value in parameters.items()}
        for written in split(batch):
            yield self._run_one(written, bound)

    def failed(self, error: ServerError) -> None:
        """What an error does to the transaction."""
        if self.depth and (self.aborts or error.number in ENDS_TRANSACTION):
            self.rollback()

    def cancelled(self) -> None:
        """An ATTENTION leaves the transaction open, unless XACT_ABORT is on."""
        if self.depth and self.aborts:
            self.rollback()

    # --- transactions ---------------------------------------------------------------------------
    def begin(self) -> None:
        """SQLite's own transaction starts with the first statement that touches a table."""
        self.depth += 1
        if self.depth == 1:
            self.descriptor = next(descriptors)
            self.changes.append((BEGUN, self.descriptor))

    def commit(self) -> None:
        if not self.depth:
            raise ServerError(
                3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        if self.depth > 1:
            self.depth -= 1
            return
        # The driver also commits transactions in which nothing happened: no fault is for those.
        used = self.connection.in_transaction
        try:
            if used:
                self.around("commit_before")
        except ServerError:
            self.rollback()
            raise
        self._finish("COMMIT", COMMITTED)
        if used:
            self.around("commit_after")

    def rollback(self, savepoint: str = "") -> None:
        if not self.depth:
            raise ServerError(
                3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        if savepoint:
            self._sqlite(f'ROLLBACK TO "{savepoint}"')
        else:
            self._finish("ROLLBACK", ROLLED_BACK)

    def save(self, savepoint: str) -> None:
        if not self.depth:
            raise ServerError(628, "Cannot issue SAVE TRANSACTION when there is no transaction.")
        self._take_lock()
        self._sqlite(f'SAVEPOINT "{savepoint}"')

    def _finish(self, how: str, change: int) -> None:
        if self.connection.in_transaction:
            self._sqlite(how)
        self._give_turn()
        self.depth = 0
        self.changes.append((change, self.descriptor))

    def _take_lock(self) -> None:
        if not self.connection.in_transaction:
            self._take_turn()
            self._sqlite("BEGIN IMMEDIATE")

    def _take_turn(self) -> None:
        """Waits for the store's one write lock as LOCK_TIMEOUT says, and can be cancelled."""
        if not self.store.turns.take(self.patience_s, self.pause):
            raise ServerError(1222, "Lock request time out period exceeded.", state=45)
        self.writing = True

    def _give_turn(self) -> None:
        if self.writing:
            self.writing = False
            self.store.turns.give()

    # --- statements -----------------------------------------------------------------------------
    def _run_one(self, written: str, bound: dict[str, Any]) -> Result:
        for pattern, act in self._grammar.items():
            if match := re.fullmatch(pattern, written, re.I | re.S):
                return act(self, *match.groups()) or Result()
        return self._query(translate(written, self._values()), bound)

    def _values(self) -> dict[str, str]:
        timeout = -1 if self.patience_s == PATIENCE_S else int(self.patience_s * 1000)
        return {
            "TRANCOUNT": str(self.depth),
            "VERSION": f"'{VERSION}'",
            "SERVERNAME": "'scripted'",
            "LOCK_TIMEOUT": str(timeout),
        }

    def _query(self, statement: Statement, bound: dict[str, Any]) -> Result:
        if self.implicit and not self.depth and statement.touches_tables:
            self.begin()
        if not self.depth:
            return self._alone(statement, bound)
        if statement.touches_tables:
            self._take_lock()
        return self._fetch(statement, bound)

    def _alone(self, statement: Statement, bound: dict[str, Any]) -> Result:
        """Outside a transaction a write commits by itself: a commit fault strikes it too."""
        if not statement.writes:
            return self._fetch(statement, bound)
        self._take_turn()
        try:
            self.around("commit_before")
            result = self._fetch(statement, bound)
        finally:
            self._give_turn()
        self.around("commit_after")
        return result

    def _fetch(self, statement: Statement, bound: dict[str, Any]) -> Result:
        cursor = self._sqlite(statement.sql, bound)
        if cursor.description is None:
            changed = cursor.rowcount if cursor.rowcount >= 0 and not self.quiet else None
            return Result(statement.command, count=changed)
        names = [column[0] for column in cursor.description]
        rows = converted(self.connection, statement, names, cursor.fetchall())
        count = None if self.quiet else len(rows)
        if statement.into:
            self.temporary[statement.into] = Result("SELECT", names, rows)
            return Result(statement.command, count=count)
        return Result(statement.command, names, rows, count)

    def _sqlite(self, sql: str, bound: dict[str, Any] | None = None) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, bound or {})
        except sqlite3.Error as error:
            raise as_server_error(error, sql) from error

    # --- statements that are the session's own ------------------------------------------------
    def _set(self, name: str, value: str) -> None:
        on = value.upper() == "ON"
        match name.upper():
            case "IMPLICIT_TRANSACTIONS":
                self.implicit = on
            case "XACT_ABORT":
                self.aborts = on
            case "NOCOUNT":
                self.quiet = on
            case "LOCK_TIMEOUT":
                self.patience_s = PATIENCE_S if int(value) < 0 else int(value) / 1000

    def _wait(self, hours: str, minutes: str, seconds: str) -> None:
        self.pause(int(hours) * 3600 + int(minutes) * 60 + float(seconds))

    def _if_open(self, rest: str) -> Result | None:
        return self._run_one(rest, {}) if self.depth else None

    def _throw(self, number: str, message: str, state: str) -> None:
        raise ServerError(int(number), message.replace("''", "'"), state=int(state))

    def _stored(self, name: str) -> Result:
        if name not in self.temporary:
            raise ServerError(208, f"Invalid object name '{name}'.")
        return self.temporary[name]

    _grammar: dict[str, Callable[..., Result | None]] = {
        r"BEGIN TRAN(?:SACTION)?": begin,
        r"COMMIT(?: TRAN(?:SACTION)?| WORK)?": commit,
        r"ROLLBACK(?: TRAN(?:SACTION)?| WORK)?(?: (\w+))?": lambda self, name: self.rollback(
            name or ""
        ),
        r"SAVE TRAN(?:SACTION)? (\w+)": save,
        r"IF @@TRANCOUNT > 0 (.+)": _if_open,
        r"SET (IMPLICIT_TRANSACTIONS|XACT_ABORT|NOCOUNT|LOCK_TIMEOUT) (ON|OFF|-?\d+)": _set,
        rf"SET (?:{SETTINGS}) .+": lambda self: None,
        r"WAITFOR DELAY '(\d+):(\d+):([\d.]+)'": _wait,
        r"THROW (\d+), '((?:[^']|'')*)', (\d+)": _throw,
        r"USE \[?(\w+)\]?": lambda self, name: None,
        # mssql-django reads defaults back through a temporary table
        rf"IF OBJECT_ID\('tempdb..{TEMPORARY}'\) IS NOT NULL DROP TABLE {TEMPORARY}": (
            lambda self: None
        ),
        rf"SELECT TOP 0 .+ INTO {TEMPORARY} FROM .+": lambda self: None,
        rf"SELECT .+ FROM ({TEMPORARY})": _stored,
        rf"DROP TABLE ({TEMPORARY})": lambda self, name: self.temporary.pop(name, None) and None,
    }
