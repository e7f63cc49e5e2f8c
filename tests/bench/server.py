"""A T-SQL server of the operator's, for the lines that need one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# The MSSQL_ variables as they were; the benches' own Django must not see them.
SERVER: dict[str, str] = {}

_NO_SUCH_TABLE = "42S02"


def why_no_server() -> str:
    return "" if SERVER.get("MSSQL_HOST") else "there is no T-SQL server (MSSQL_HOST is not set)"


@contextmanager
def company_on_the_server(bare: str) -> Iterator[Path]:
    """The data directory of a company whose primary is that server; under the alias `bare` it is
    reached by mssql-django as it comes. The tables are made and dropped: a database that has some
    is somebody's, and an error."""
    from django.apps import apps
    from django.conf import settings
    from django.db import connections

    from rodcorp.databases import eligibility, hosts, pool
    from rodcorp.databases.driver import register_driver
    from rodcorp.databases.primary import MSSQL, primary_settings
    from rodcorp.databases.router import REPLICATED_APPS
    from tests.sides.company import aliases, lay_out
    from tests.tds.orm import create_tables

    with (
        tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as directory,
        pytest.MonkeyPatch.context() as patch,
    ):
        wanted = lay_out(Path(directory))
        wanted[MSSQL] = primary_settings(SERVER)
        wanted[bare] = {**wanted[MSSQL], "ENGINE": "mssql"}
        # where it stays for all companies of this process: ODBC reads it once
        register_driver(settings.DATA_DIR)
        patch.setattr(settings, "DATA_DIR", Path(directory))
        with aliases(wanted):
            connection = connections[MSSQL]
            models = apps.get_models(include_auto_created=True)
            tables = [model for model in models if model._meta.app_label in REPLICATED_APPS]
            _require_empty(connection, tables)
            try:
                create_tables(connection, tables)
                hosts.register()
                eligibility.note_complete(connections["sqlite"])
                yield Path(directory)
            finally:
                _drop_tables(connection, tables)
                connections.close_all()
                pool.clear()


def _require_empty(connection: Any, tables: list[Any]) -> None:
    from django.db import Error

    for model in tables:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM [{model._meta.db_table}] WHERE 1 = 0")
        except Error as error:
            if _NO_SUCH_TABLE not in str(error):
                raise
        else:
            raise SystemExit(
                f"The database in MSSQL_DATABASE has a table {model._meta.db_table}; the bench "
                "makes and drops that itself. Name an empty database."
            )


def _drop_tables(connection: Any, tables: list[Any]) -> None:
    from rodcorp.databases.sync.rowversions import TOMBSTONES

    for table in (*(model._meta.db_table for model in reversed(tables)), TOMBSTONES):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS [{table}]")
