"""A SQL Server, named by MSSQL_HOST, for the tests that need one."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.environment import HAS_SERVER, PROCESSES_DATABASE, SERVER

needs_server = [
    pytest.mark.mssql,
    # it makes the database
    pytest.mark.django_db,
    pytest.mark.skipif(
        not HAS_SERVER, reason="NOT TESTED: against a T-SQL server (MSSQL_HOST is not set)"
    ),
]


def settings_of_server(**changes):
    """Those of the suite's own database, with variables changed: `MSSQL_USER="nobody"`."""
    from django.conf import settings
    from django.db import connections

    from rodcorp.databases.driver import register_driver
    from rodcorp.databases.primary import MSSQL, primary_settings

    register_driver(Path(settings.DATA_DIR))
    suite = settings.DATABASES[MSSQL]["NAME"]
    made = primary_settings({**SERVER, "MSSQL_DATABASE": suite, **changes})
    return connections.configure_settings({"default": {}, MSSQL: made})[MSSQL]


@contextmanager
def connection_to_server(blocker, **changes):
    """A connection of its own, closed afterwards."""
    from django.db.utils import load_backend

    with blocker.unblock():
        settings = settings_of_server(**changes)
        connection = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "mssql")
        connection.is_pooled = False
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def database_for_processes(request):
    """An empty one under the name that processes find in their environment, dropped afterwards.
    Without a server nothing: theirs is a file."""
    from rodcorp.databases.sides import has_primary

    if not has_primary():
        yield
        return
    request.getfixturevalue("django_db_setup")
    with request.getfixturevalue("django_db_blocker").unblock():
        _in_a_thread(_make_anew, PROCESSES_DATABASE)
        try:
            yield
        finally:
            _in_a_thread(_drop, PROCESSES_DATABASE)


def _in_a_thread(work, *arguments):
    """Where a browser is driven an event loop is running, and Django refuses to be called."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work, *arguments).result()


def _make_anew(name):
    from django.db import connections

    connection = connections["mssql"]
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT DB_ID(%s)", [name])
        is_left_over = cursor.fetchone()[0] is not None
    if is_left_over:
        _drop(name)
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
    allow_snapshots(name)


def allow_snapshots(name):
    """As an operator has to, once: the copy is read in one."""
    from django.db import connections

    connection = connections["mssql"]
    with connection._nodb_cursor() as cursor:
        quoted = connection.ops.quote_name(name)
        cursor.execute(f"ALTER DATABASE {quoted} SET ALLOW_SNAPSHOT_ISOLATION ON")


def make_a_host_of_old():
    """Of one that was in another mode a moment ago, absence would be no evidence."""
    import time
    from types import SimpleNamespace
    from unittest.mock import patch

    from rodcorp.databases import mode
    from rodcorp.databases.sides import mode_file

    yesterday = time.time() - 24 * 3600
    with patch.object(mode, "time", SimpleNamespace(time=lambda: yesterday)):
        mode_file().read()


def _drop(name):
    from django.db import connections

    connections["mssql"].creation._destroy_test_db(name, verbosity=0)
