"""Which of the two databases is read and written now.

Inside a unit of work it is the one the unit began on; inside something that may be repeated, such
as a page that only reads, the one that began on; else the mode file says.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from rodcorp.databases import fence
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.current import current_unit
from rodcorp.databases.mode import FILE, Mode, ModeFile
from rodcorp.databases.primary import MSSQL

# Without a primary nothing is ever switched, and nothing is checked.
NO_EPOCH = 0


class Side(NamedTuple):
    """A database, and the epoch in which it was found to be the active one."""

    alias: str
    epoch: int
    # of the mode file: why nothing may be written, and how much slower a unit is to be
    stopped: str = ""
    pace: float = 0.0
    clock_offset: float = 0.0

    @property
    def is_primary(self) -> bool:
        return self.alias == MSSQL

    @property
    def is_copy(self) -> bool:
        """The embedded file, in place of a primary; alone it is no copy."""
        return self.alias == SQLITE and self.epoch != NO_EPOCH


class Pin:
    """`side` moves on with a unit of work that was committed on the other."""

    def __init__(self, side: Side) -> None:
        self.side = side


_pinned: ContextVar[Pin | None] = ContextVar("rodcorp_pinned", default=None)
_files: dict[Path, ModeFile] = {}
_opening = threading.Lock()


def has_primary() -> bool:
    """Whether a SQL Server is configured."""
    return MSSQL in settings.DATABASES


def mode_file() -> ModeFile:
    """This host's. If it was lost, the copy's fence tells what the mode was."""
    directory: Path = settings.DATA_DIR
    known = _files.get(directory)
    # asked for with every query
    if known is not None and os.access(known.path, os.F_OK):
        return known
    with _opening:
        if not (directory / FILE).exists():
            left = fence.left_behind()
            mode = Mode.FALLBACK if left.is_open else Mode.PRIMARY
            _files[directory] = ModeFile(directory, first_mode=mode, first_epoch=left.epoch + 1)
        return _files.setdefault(directory, ModeFile(directory))


def current() -> Side:
    """The active side now, by the mode file."""
    if not has_primary():
        return Side(SQLITE, NO_EPOCH)
    state = mode_file().read()
    alias = MSSQL if state.mode is Mode.PRIMARY else SQLITE
    return Side(alias, state.epoch, state.stopped, state.pace, state.clock_offset)


def active_alias() -> str:
    """The alias the company's data is read from and written to here and now."""
    unit = current_unit()
    if unit is not None:
        return unit.alias
    return (pinned_side() or current()).alias


def pinned_side() -> Side | None:
    """The side to which reads are bound here, if they are."""
    pin = _pinned.get()
    return pin.side if pin is not None else None


@contextmanager
def pinned(side: Side) -> Iterator[Pin]:
    """All reads in here are made on one side, whatever is switched meanwhile."""
    pin = Pin(side)
    token = _pinned.set(pin)
    try:
        yield pin
    finally:
        _pinned.reset(token)


def follow(side: Side) -> None:
    """A unit was committed on this side: what is read after it, here, must see it."""
    pin = _pinned.get()
    if pin is not None:
        pin.side = side
