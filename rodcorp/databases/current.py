"""The open unit of work of this thread or task, for those who only need to know of it."""

from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from rodcorp.databases.units import Unit

open_now: ContextVar["Unit | None"] = ContextVar("rodcorp_unit", default=None)


def current_unit() -> "Unit | None":
    return open_now.get()


def unit_time() -> datetime:
    """The open unit's time, so that a unit run again writes the same; else the clock's."""
    unit = current_unit()
    return unit.now if unit else timezone.now()
