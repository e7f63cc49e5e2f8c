"""A real T-SQL server, named by MSSQL_HOST, for the tests that need one."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.environment import SERVER

needs_server = [
    pytest.mark.mssql,
    pytest.mark.skipif(
        not SERVER.get("MSSQL_HOST"),
        reason="NOT TESTED: against a T-SQL server (MSSQL_HOST is not set)",
    ),
]


def settings_of_server(**changes):
    """The alias's settings, complete, with variables changed: `MSSQL_USER="nobody"`."""
    from django.conf import settings
    from django.db import connections

    from rodcorp.databases.driver import register_driver
    from rodcorp.databases.primary import MSSQL, primary_settings

    register_driver(Path(settings.DATA_DIR))
    made = primary_settings({**SERVER, **changes})
    return connections.configure_settings({"default": {}, MSSQL: made})[MSSQL]


@contextmanager
def connection_to_server(blocker, **changes):
    """A connection of its own, closed afterwards."""
    from django.db.utils import load_backend

    with blocker.unblock():
        settings = settings_of_server(**changes)
        connection = load_backend("mssql").DatabaseWrapper(settings, "mssql")
        try:
            yield connection
        finally:
            connection.close()
