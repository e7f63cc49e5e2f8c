"""SQLite waits for its write lock in pauses that grow to a tenth of a second, whoever comes
meanwhile: of eight processes that write, one may wait for seconds. Here a transaction asks again
every few milliseconds, so that nobody waits long after the lock is free."""

import random
import sqlite3
import time

from django.db import OperationalError
from django.db.backends.sqlite3 import base

FIRST_PAUSE_S = 0.0005
MAX_PAUSE_S = 0.005


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self) -> None:
        patience_s = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        deadline = time.monotonic() + patience_s
        pause = FIRST_PAUSE_S
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._begins(is_last=time.monotonic() > deadline):
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  not a secret
                pause = min(pause * 1.5, MAX_PAUSE_S)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")

    def _begins(self, *, is_last: bool) -> bool:
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlite_errorcode", 0)
            if is_last or code & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True
