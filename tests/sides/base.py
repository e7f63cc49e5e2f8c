"""SQLite behind a link that breaks, as a Django backend: `ENGINE` is `tests.sides`."""

import contextlib

from django.db import utils
from django.db.backends.sqlite3 import base

from tests.sides.link import breaks, error
from tests.sides.stepping.process import step


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def link(self):
        return self.settings_dict["LINK"]

    def strike(self, phase, sql=""):
        step(f"primary {phase}")
        how = self.link.due(phase, sql)
        if phase == "connect":
            self.generation = self.link.generation
        elif self.generation != self.link.generation:
            how = "reset"
        if how is None:
            return
        if breaks(how) and self.connection is not None:
            # what was not committed is gone, as it is when a server loses its client
            with contextlib.suppress(Exception):
                self.connection.rollback()
            self.connection.close()
        elif self.connection is not None and self.in_atomic_block:
            self.connection.rollback()  # XACT_ABORT
        kind = utils.InterfaceError if how == "password" else utils.OperationalError
        raised = error(how, phase)
        raise kind(*raised.args) from raised

    def get_new_connection(self, conn_params):
        self.link.connects += 1
        self.strike("connect")
        return super().get_new_connection(conn_params)

    def create_cursor(self, name=None):
        self.strike("cursor")
        return self.connection.cursor(factory=type("Cursor", (_Cursor,), {"wrapper": self}))

    def _commit(self):
        self.strike("commit_before")
        result = super()._commit()
        self.strike("commit_after")
        return result

    def _rollback(self):
        with contextlib.suppress(utils.ProgrammingError):
            return super()._rollback()


class _Cursor(base.SQLiteCursorWrapper):
    def execute(self, query, params=None):
        self.wrapper.strike("execute", query)
        return super().execute(query, params)

    def executemany(self, query, param_list):
        self.wrapper.strike("execute", query)
        return super().executemany(query, param_list)

    def fetchone(self):
        self.wrapper.strike("fetch")
        return super().fetchone()

    def fetchmany(self, size=100):
        self.wrapper.strike("fetch")
        return super().fetchmany(size)

    def fetchall(self):
        self.wrapper.strike("fetch")
        return super().fetchall()
