"""Connections, for those who know a database by its alias only."""

import contextlib

from django.conf import settings
from django.db import connections

from rodcorp.databases.driver import register_driver
from rodcorp.databases.primary import ENGINE, MSSQL


def prepare() -> None:
    """Make the driver known before the first connection; without a SQL Server, nothing."""
    if settings.DATABASES.get(MSSQL, {}).get("ENGINE") == ENGINE:
        register_driver(settings.DATA_DIR)


def drop(alias: str) -> None:
    """Throw a broken connection away, and on SQL Server this process's others with it; the next
    query opens another. Not inside a transaction: its block would end as if it had committed."""
    connection = connections[alias]
    if throw_away := getattr(connection, "throw_away", None):
        throw_away()
    else:
        # Django's own `close` raises when the driver has closed it already
        raw, connection.connection = connection.connection, None
        with contextlib.suppress(Exception):
            raw.close()
    connection.in_atomic_block = connection.needs_rollback = False
    connection.closed_in_transaction = connection.errors_occurred = False
    connection.savepoint_ids, connection.atomic_blocks, connection.run_on_commit = [], [], []
    connection.run_commit_hooks_on_set_autocommit_on = False
