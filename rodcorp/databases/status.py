"""Where the company's data is, and how the two databases stand: the truth, from any process."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connections

from rodcorp.databases import eligibility, fence, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failover import look
from rodcorp.databases.mode import Switch
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sides import active_alias, has_primary, mode_file
from rodcorp.databases.sync.watcher import last_report

SWITCHES_SHOWN = 5


@dataclass(frozen=True)
class Copy:
    """This host's copy. `why_not` says why it may not stand in, `to_replay` how many changes it
    holds that the primary has not seen."""

    file: str
    is_open: bool
    to_replay: int
    why_not: str | None


@dataclass(frozen=True)
class Primary:
    """`trouble` is empty when it answers, lets this host in and takes writes."""

    host: str
    database: str
    trouble: str


@dataclass(frozen=True)
class Status:
    """`since` and `reason` are of the last switch; without a primary there is none. `stopped` says
    why nothing is written at all."""

    active: str
    mode: str
    epoch: int
    since: datetime | None
    reason: str
    stopped: str
    primary: Primary | None
    copy: Copy | None
    watcher: str
    switches: list[Switch]


def status() -> Status:
    """Looks at the primary, so it takes as long as that does: at most two seconds."""
    if not has_primary():
        return Status(active_alias(), "sqlite", 0, None, "", "", None, None, "", [])
    modes = mode_file()
    state = modes.read()
    return Status(
        active=active_alias(),
        mode=str(state.mode),
        epoch=state.epoch,
        since=datetime.fromtimestamp(state.since, UTC),
        reason=state.reason,
        stopped=state.stopped,
        primary=_primary(),
        copy=_copy(),
        watcher=_watcher(),
        switches=modes.history(SWITCHES_SHOWN),
    )


def _primary() -> Primary:
    about = settings.DATABASES[MSSQL]
    failure = look().failure
    return Primary(
        host=about.get("HOST", ""),
        database=about["NAME"],
        trouble="" if failure is None else failure.code,
    )


def _watcher() -> str:
    report = last_report()
    if report is None:
        return "none was ever here"
    if not report.is_alive:
        return f"silent for {time.time() - report.at:.0f} s; it was {report.doing}"
    lag = "" if report.lag_s is None else f", the copy is at most {report.lag_s:.1f} s behind"
    trouble = f" ({report.trouble})" if report.trouble else ""
    return f"{report.doing}{trouble}{lag}"


def _copy() -> Copy:
    copy = connections[SQLITE]
    why_not = eligibility.reason_against(copy, has_seen_primary=mode_file().has_seen_primary())
    is_made = journal.is_installed(copy)
    return Copy(
        file=str(copy.settings_dict["NAME"]),
        is_open=is_made and fence.read(copy).is_open,
        to_replay=journal.count(copy) if is_made else 0,
        why_not=why_not,
    )
