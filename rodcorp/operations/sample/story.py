"""How the story is told: as events, each a unit's part dated at its own moment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from agents.models import Agent
from payroll.models import RodCoinsTransaction
from rodcorp.actors import Actor
from rodcorp.databases.units import run_in_unit
from tasks.models import Task

T = TypeVar("T")

# Rows no agent signs are signed by the story, not by whoever loads it, so that two hosts that load
# it hold the same rows.
STORYTELLER = Actor.system("sample data")


@dataclass
class Story:
    """What was told so far, by the names the content uses."""

    agents: dict[str, Agent] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    awards: dict[str, RodCoinsTransaction] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    when: datetime
    happen: Callable[[], object]


def tell(events: Iterable[Event]) -> None:
    """Let the events happen in the order of their moments; equals in the order given."""
    for event in sorted(events, key=lambda event: event.when):
        dated(event.when, event.happen)


def dated(when: datetime, do: Callable[[], T], *, by: Actor = STORYTELLER) -> T:
    """Do it as a part of the open unit that is dated, and signed, otherwise."""
    return run_in_unit(lambda unit: do(), actor=by, operation="sample.load", now=when)
