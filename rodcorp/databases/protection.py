"""Protected acknowledgement: what is acknowledged on the primary is on this host's copy too, so
that it is visible on whichever side is active next."""

import threading
import time
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.eligibility import schema_revision
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sync.nudge import nudge

# How long, in seconds, an acknowledgement waits for the copy at most.
PATIENCE_S = 0.25
_FIRST_LOOK_S = 0.001
_LOOK_S = 0.004


class Figures(NamedTuple):
    """Of this process: how many units were on the copy when they were acknowledged, and how many
    were not."""

    protected: int = 0
    unprotected: int = 0


_counting = threading.Lock()
_figures = Figures()


def figures() -> Figures:
    return _figures


def wait_for_copy(unit: UUID) -> bool:
    """Wait until the copy contains this unit's commit. False after a quarter of a second, and at
    once when nobody feeds the copy."""
    # what a switch needs is there before it is needed: opening the file takes longer than a unit
    connections[SQLITE].ensure_connection()
    schema_revision()
    is_protected = nudge() and _arrives(unit)
    global _figures
    with _counting:
        _figures = Figures(
            _figures.protected + is_protected, _figures.unprotected + (not is_protected)
        )
    return is_protected


def _arrives(unit: UUID) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    pause = _FIRST_LOOK_S
    seen = -1
    copy: Any = connections[SQLITE]
    while True:
        # costs a tenth of the question for the marker, and nobody but the feed writes here
        written = copy.connection.execute("PRAGMA data_version").fetchone()[0]
        if written != seen and UnitMarker.objects.using(SQLITE).filter(pk=unit).exists():
            return True
        if time.monotonic() > deadline:
            return False
        seen = written
        time.sleep(pause)
        pause = _LOOK_S
