"""What a connection to SQL Server needs before anything is asked on it."""

from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from rodcorp.databases.driver import register_driver
from rodcorp.databases.primary import MSSQL, session_sql


def prepare() -> None:
    """Make the driver known before the first connection; without a SQL Server, nothing."""
    if MSSQL in settings.DATABASES:
        register_driver(settings.DATA_DIR)
        connection_created.connect(_begin_session, dispatch_uid="rodcorp.databases.sessions")


def _begin_session(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.alias == MSSQL:
        with connection.cursor() as cursor:
            cursor.execute(session_sql(settings.DATABASES[MSSQL]))
