"""What a connection to SQL Server needs before anything is asked on it."""

import contextlib
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from rodcorp.databases.driver import register_driver
from rodcorp.databases.primary import MSSQL, session_sql


def prepare() -> None:
    """Make the driver known before the first connection; without a SQL Server, nothing."""
    if MSSQL in settings.DATABASES:
        register_driver(settings.DATA_DIR)
        connection_created.connect(_begin_session, dispatch_uid="rodcorp.databases.sessions")


def drop(alias: str) -> None:
    """Throw a broken connection away; the next query opens another. Django's own `close` raises
    when the driver has closed it already."""
    connection = connections[alias]
    raw, connection.connection = connection.connection, None
    with contextlib.suppress(Exception):
        raw.close()


def _begin_session(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.alias == MSSQL:
        with connection.cursor() as cursor:
            cursor.execute(session_sql(settings.DATABASES[MSSQL]))
