"""What a database itself says its tables are like."""

from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.catalog import sqlite, sqlserver
from rodcorp.databases.catalog.structure import Table
from rodcorp.databases.fields import MICROSOFT


def read(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    """Every table, by its folded name."""
    if connection.vendor == MICROSOFT:
        return sqlserver.read(connection)
    return sqlite.read(connection)
