"""Where the company's data is, how the two databases stand, and what a person can do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.urls import reverse
from django.utils import timezone

from rodcorp.databases.mode import Mode, Switch
from rodcorp.databases.sides import has_primary, mode_file
from rodcorp.databases.status import Copy, Primary, Status, hosts, open_conflicts, status
from rodcorp.databases.sync.watcher import STEADY_S, Report
from rodcorp.kit.web.views import ContentPage

# What a watcher's own word for what it does means; "healing" has more behind it.
_DOING = {
    "starting": "It starts.",
    "feeding": "It keeps the copy up to date.",
    "away": "It looks every second whether SQL Server is back.",
    "away, and the primary is back": "SQL Server is back; it waits until that has lasted.",
    "waiting": "Something went wrong; it waits a moment and tries again.",
    "healing": "It brings home what was written here.",
}


@dataclass(frozen=True)
class Answer:
    """What the page says first. `tone` is a badge's colour."""

    tone: str
    headline: str
    meaning: str


@dataclass(frozen=True)
class Advice:
    """What a person can do, and with which command or on which page."""

    text: str
    command: str = ""
    url: str = ""


@dataclass(frozen=True)
class Step:
    """A switch that was made."""

    before: str
    mode: str
    at: datetime
    reason: str

    @classmethod
    def of(cls, switch: Switch) -> "Step":
        at = datetime.fromtimestamp(switch.at, UTC)
        return cls(str(switch.before), str(switch.mode), at, switch.reason)


@dataclass(frozen=True)
class Watching:
    """The watcher, in words. `lag` is empty where there is nothing to be behind of."""

    word: str
    doing: str
    at: datetime | None
    lag: str

    @classmethod
    def of(cls, report: Report | None, mode: str) -> "Watching":
        if report is None:
            return cls("missing", "None was ever at work here.", None, "")
        at = datetime.fromtimestamp(report.at, UTC)
        lag = ""
        if mode == Mode.PRIMARY and report.lag_s is not None:
            lag = f"{report.lag_s:.1f} s" if report.is_alive else f"{report.lag_s:,.0f} s"
        if not report.is_alive:
            return cls("silent", f"Its last word was “{report.doing}”.", at, lag)
        word, _, more = report.doing.partition(", ")
        doing = _DOING.get(report.doing) or _DOING.get(word, report.doing)
        more = more if word == "healing" else ""
        return cls("at work", " ".join(filter(None, (doing, more and f"{more}."))), at, lag)


class Databases(ContentPage):
    title = "Databases"

    def get_template_names(self) -> list[str]:
        return [f"console/databases{'' if has_primary() else '_alone'}.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found, conflicts = status(by_news=True), open_conflicts()
        if found.primary and found.copy:
            kwargs |= _two_databases(found, found.primary, found.copy, conflicts)
        return super().get_context_data(found=found, conflicts=conflicts, **kwargs)


def _two_databases(
    found: Status, primary: Primary, copy: Copy, conflicts: dict[str, int]
) -> dict[str, Any]:
    frozen = found.report.frozen_s if found.report else None
    return {
        "now": timezone.now(),
        "answer": answer_of(found, primary, copy),
        "advice": list(advice_for(found, primary, copy, conflicts)),
        "copy_file": Path(copy.file).name,
        "watching": Watching.of(found.report, found.mode),
        "freeze_ms": None if frozen is None else round(frozen * 1000),
        "hosts": None if primary.trouble else hosts(),
        "here": mode_file().host_id(),
        "steps": [Step.of(switch) for switch in found.switches],
    }


def answer_of(found: Status, primary: Primary, copy: Copy) -> Answer:
    if found.stopped:
        return Answer(
            "bad",
            f"Nothing may be written, because {found.stopped.rstrip('.')}.",
            "Everything can still be read. What this host wrote may be missing on SQL Server, so a "
            "person has to look before anything is written again.",
        )
    if found.mode == Mode.FALLBACK:
        is_back = "SQL Server answers again" if not primary.trouble else "SQL Server cannot be used"
        return Answer(
            "warn",
            "The company's data is in this host's copy.",
            f"{is_back}. Everybody can read and write here as usual; what is written is brought "
            f"home by itself once SQL Server has been well for {STEADY_S:.0f} seconds.",
        )
    if found.mode == Mode.HEALING:
        return Answer(
            "busy",
            "The company's data is in this host's copy, on its way home to SQL Server.",
            "Everybody can read and write as usual. At the end nobody can write for a moment.",
        )
    if copy.why_not:
        return Answer(
            "warn",
            "The company's data is in SQL Server.",
            "If it were lost now, pages would say that they are not available: this host's copy "
            f"may not stand in, because {copy.why_not}.",
        )
    if found.report is None or not found.report.is_alive:
        return Answer(
            "warn",
            "The company's data is in SQL Server.",
            "If it were lost now, this host's copy would take over without what was written since "
            "it was filled last: its watcher is not at work.",
        )
    return Answer(
        "good",
        "The company's data is in SQL Server.",
        "If it is lost, this host's copy takes over at once, and nobody's request fails.",
    )


def advice_for(
    found: Status, primary: Primary, copy: Copy, conflicts: dict[str, int]
) -> Iterator[Advice]:
    """What there is to do, most urgent first; nothing, as a rule."""
    if found.stopped:
        yield Advice(
            "Find out whether SQL Server was restored, and what is missing there. This host's copy "
            "is left as it is; row by row the two are compared by",
            "manage.py databases compare",
        )
        yield Advice(
            "To take SQL Server as it is, put the copy aside and write again:",
            "manage.py databases resume",
        )
    if primary.trouble:
        yield Advice(
            "What stands between this host and SQL Server, each with its fix:",
            "manage.py databases doctor",
        )
    elif found.mode == Mode.FALLBACK and not found.stopped:
        yield Advice("To go home now instead of in a moment:", "manage.py databases heal")
    if found.report is None or not found.report.is_alive:
        yield Advice(
            "Nobody keeps the copy up to date or leads this host home. The watcher is started, and "
            "started again when it hangs, by",
            "manage.py serve",
        )
    elif copy.why_not:
        yield Advice("The watcher fills the copy. If this stays, its log says why.")
    if waiting := sum(conflicts.values()):
        yield Advice(
            f"{waiting:,} {'row was' if waiting == 1 else 'rows were'} not brought home as written "
            "and somebody has to look:",
            url=reverse("conflicts", query={"state": "open"}),
        )
