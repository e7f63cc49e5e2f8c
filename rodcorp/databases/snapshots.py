"""Reading much while others write: all of it as it was at one moment, and nobody waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.fields import MICROSOFT


@contextmanager
def one_moment(alias: str) -> Iterator[None]:
    """What is read from `alias` in here is the state of its first read. Nothing is written in here.

    Inside a transaction that is open already, it is that transaction's state.
    """
    connection = connections[alias]
    if connection.in_atomic_block:
        yield
    elif connection.vendor == MICROSOFT:
        with _snapshot(connection):
            yield
    else:
        # Django would begin one that writes, and keep all others from writing
        _run(connection, "BEGIN DEFERRED")
        try:
            yield
        finally:
            if connection.connection is not None:
                connection.connection.rollback()


@contextmanager
def _snapshot(connection: BaseDatabaseWrapper) -> Iterator[None]:
    _run(connection, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    try:
        with transaction.atomic(using=connection.alias):
            yield
    finally:
        if connection.connection is not None:
            _run(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def _run(connection: BaseDatabaseWrapper, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
