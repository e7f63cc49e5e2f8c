"""What the sample company's story is written in: a calendar and a few words.

Every time is counted from `ANCHOR` and every id from a name, so that two databases filled on
different days hold the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tasks.models import TaskStatus, Verdict

# Day 0 of the story, the Monday the first pay cycle begins.
ANCHOR = datetime(2026, 11, 2, tzinfo=UTC)


def at(day: int, clock: str) -> datetime:
    """A moment of the story: `at(3, "14:05")` is the afternoon of day 3."""
    hours, minutes = clock.split(":")
    return ANCHOR + timedelta(days=day, hours=int(hours), minutes=int(minutes))


# The story's last working day; nothing happens after it.
THE_END = at(18, "17:00")

# From here on the ledger's rows are the second cycle's.
COMPUTED = at(14, "08:00")

# Said outright, so that the story does not depend on the host's own defaults.
REWARDS = {"low": 5, "normal": 10, "high": 20, "urgent": 40}


@dataclass(frozen=True)
class Said:
    """One message. It answers the one before it, or the one numbered `answers`."""

    who: str
    when: datetime
    text: str
    sentiment: str | None = None
    priority: str | None = None
    answers: int | None = None
    noted_by: str | None = None


@dataclass(frozen=True)
class SampleThread:
    slug: str
    project: str
    topic: str
    messages: tuple[Said, ...]
    priority: str = "normal"


@dataclass(frozen=True)
class Move:
    """The task's agent (or the company, for a task of nobody) moves it to a status."""

    when: datetime
    status: TaskStatus
    percent: int | None = None


@dataclass(frozen=True)
class Judgement:
    """A reviewer's verdict; `rubric` is correctness, completeness, clarity, evidence."""

    when: datetime
    verdict: Verdict
    reviewer: str
    rubric: tuple[int, int, int, int]
    note: str
    bonus: int = 0


@dataclass(frozen=True)
class HandOver:
    when: datetime
    to: str


Step = Move | Judgement | HandOver


@dataclass(frozen=True)
class SampleTask:
    slug: str
    project: str
    agent: str | None
    created: datetime
    title: str
    description: str
    priority: str = "normal"
    due: datetime | None = None
    labels: tuple[str, ...] = ()
    skills: Mapping[str, int] = field(default_factory=dict)
    note: str | None = None
    thread: str | None = None
    steps: tuple[Step, ...] = ()


def start(day: int, clock: str, percent: int | None = None) -> Move:
    return Move(at(day, clock), TaskStatus.IN_PROGRESS, percent)


# noting how far a task is does not move it
progress = start


def block(day: int, clock: str) -> Move:
    return Move(at(day, clock), TaskStatus.BLOCKED)


def finish(day: int, clock: str) -> Move:
    return Move(at(day, clock), TaskStatus.COMPLETED)


def cancel(day: int, clock: str) -> Move:
    return Move(at(day, clock), TaskStatus.CANCELLED)


def approve(
    day: int, clock: str, by: str, rubric: tuple[int, int, int, int], note: str, bonus: int = 0
) -> Judgement:
    return Judgement(at(day, clock), Verdict.APPROVED, by, rubric, note, bonus)


def send_back(
    day: int, clock: str, by: str, rubric: tuple[int, int, int, int], note: str
) -> Judgement:
    return Judgement(at(day, clock), Verdict.CHANGES_REQUESTED, by, rubric, note)


def reject(
    day: int, clock: str, by: str, rubric: tuple[int, int, int, int], note: str
) -> Judgement:
    return Judgement(at(day, clock), Verdict.REJECTED, by, rubric, note)


def hand_over(day: int, clock: str, to: str) -> HandOver:
    return HandOver(at(day, clock), to)


@dataclass(frozen=True)
class SampleAward:
    slug: str
    agent: str
    when: datetime
    amount: int
    transaction_type: str
    description: str


@dataclass(frozen=True)
class SampleReversal:
    award: str
    when: datetime
    reason: str


@dataclass(frozen=True)
class SampleTransfer:
    slug: str
    source: str
    target: str
    when: datetime
    amount: int
    description: str


@dataclass(frozen=True)
class SampleEvaluation:
    agent: str
    evaluator: str
    when: datetime
    score: str
    notes: str


@dataclass(frozen=True)
class Salary:
    """What an agent is paid a cycle; the multipliers are decimals in text, or follow from its
    seniority and its rating."""

    base: int
    seniority: str | None = None
    performance: str | None = None
    bonus: int = 0


@dataclass(frozen=True)
class SampleBonusRule:
    agent: str
    kind: str
    label: str
    amount: int
    threshold: str | None = None
