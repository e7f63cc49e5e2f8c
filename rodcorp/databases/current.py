"""The open unit of work of this thread or task, for those who only need to know of it."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rodcorp.databases.units import Unit

open_now: ContextVar["Unit | None"] = ContextVar("rodcorp_unit", default=None)


def current_unit() -> "Unit | None":
    return open_now.get()
