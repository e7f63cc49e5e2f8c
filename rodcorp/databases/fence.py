"""The copy's fence: one row that says whether the copy may be written to, and since which epoch.

It is in the copy itself, so that a write and its permission are one transaction; the mode file is
only a hint to whom to ask. The triggers of the journal read it, so even a statement outside any
transaction obeys it.

To the copy: the mode changes first, then the fence opens, if its epoch is lower. To the primary:
the fence closes at the next epoch in the transaction that found nothing left to replay; then the
mode changes.
"""

import sqlite3
from typing import NamedTuple

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failure_codes import FENCED_TEXT


class Fenced(OperationalError):
    """The mode changed since this began: start over on the side that is active now."""

    def __init__(self) -> None:
        super().__init__(FENCED_TEXT)


class Fence(NamedTuple):
    is_open: bool
    epoch: int


CLOSED_SINCE_EVER = Fence(is_open=False, epoch=0)


def read(connection: BaseDatabaseWrapper) -> Fence:
    connection.ensure_connection()
    # without Django's cursor: each unit on the copy asks
    row = connection.connection.execute("SELECT is_open, epoch FROM rodcorp_fence").fetchone()
    return Fence(bool(row[0]), row[1])


def pass_through(connection: BaseDatabaseWrapper, epoch: int) -> None:
    """For a unit that began at this epoch, inside its transaction: open the fence if nobody did
    yet, and raise `Fenced` if the copy is not the active side any more."""
    found = read(connection)
    if found.epoch < epoch:
        _write(connection, Fence(is_open=True, epoch=epoch))
    elif found != (True, epoch):
        raise Fenced


def open_if_lower(connection: BaseDatabaseWrapper, epoch: int) -> None:
    """Open the fence for this epoch, unless a later one was here already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rodcorp_fence SET is_open = 1, epoch = %s WHERE epoch < %s", [epoch, epoch]
        )


def close(connection: BaseDatabaseWrapper, epoch: int) -> None:
    """In the transaction that found nothing left to replay."""
    _write(connection, Fence(is_open=False, epoch=epoch))


def left_behind() -> Fence:
    """What a copy says whose mode file was lost; it may be no copy, or not be there at all."""
    path = connections[SQLITE].settings_dict["NAME"]
    try:
        file = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return CLOSED_SINCE_EVER
    try:
        row = file.execute("SELECT is_open, epoch FROM rodcorp_fence").fetchone()
    except sqlite3.OperationalError:
        return CLOSED_SINCE_EVER
    finally:
        file.close()
    return Fence(bool(row[0]), row[1])


def _write(connection: BaseDatabaseWrapper, fence: Fence) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rodcorp_fence SET is_open = %s, epoch = %s", [int(fence.is_open), fence.epoch]
        )
