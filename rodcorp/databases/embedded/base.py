"""SQLite waits for its write lock in pauses that grow to a tenth of a second, whoever comes
meanwhile: of eight processes that write, one may wait for seconds. Here whoever wants it, a
transaction or a statement of its own, asks again every few milliseconds, so that nobody waits long
after the lock is free."""

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from rodcorp.databases import holder

FIRST_PAUSE_S = 0.0005
MAX_PAUSE_S = 0.005

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")

T = TypeVar("T")


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name: str | None = None) -> "Cursor":
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.owner = self
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        self.patiently(super()._start_transaction_under_autocommit)  # type: ignore[misc]

    def patiently(self, take_the_lock: Callable[[], T]) -> T:
        """For what asks for the write lock, outside a transaction."""
        patience_s = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        begun = time.monotonic()
        deadline, look_at = begun + patience_s, begun + holder.STUCK_S
        pause = FIRST_PAUSE_S
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return take_the_lock()
                except (OperationalError, sqlite3.OperationalError) as error:
                    if not _is_busy(error) or time.monotonic() > deadline:
                        raise
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  not a secret
                pause = min(pause * 1.5, MAX_PAUSE_S)
                if time.monotonic() > look_at:
                    look_at += holder.STUCK_S
                    holder.end_if_stuck(Path(self.settings_dict["NAME"]).parent)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")


class Cursor(base.SQLiteCursorWrapper):
    owner: DatabaseWrapper

    def execute(self, query: str, params: Any = None) -> Any:
        if self.owner.in_atomic_block or not query.startswith(_WRITES):
            return super().execute(query, params)
        return self.owner.patiently(lambda: super(Cursor, self).execute(query, params))


def _is_busy(error: Exception) -> bool:
    code: int = getattr(error.__cause__ or error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY
