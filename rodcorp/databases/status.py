"""Where the company's data is, and how the two databases stand: the truth, from any process."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connections
from django.db.models import Count

from rodcorp.databases import eligibility, fence, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failover import look
from rodcorp.databases.mode import Switch
from rodcorp.databases.models import Conflict, Host
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import active_alias, has_primary, mode_file
from rodcorp.databases.sync.watcher import Report, last_report

SWITCHES_SHOWN = 5

# For so many seconds somebody's look at the primary is good enough for a page.
NEWS_S = 5.0

logger = logging.getLogger(__name__)


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
    why nothing is written at all, `watcher` in words what `report` says."""

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
    report: Report | None = None


def status(*, by_news: bool = False) -> Status:
    """Looks at the primary, so it takes as long as that does: at most two seconds. `by_news`: only
    if nobody has looked in the last seconds, as the watcher does all the time."""
    if not has_primary():
        return Status(active_alias(), "sqlite", 0, None, "", "", None, None, "", [])
    modes = mode_file()
    state, report = modes.read(), last_report()
    return Status(
        active=active_alias(),
        mode=str(state.mode),
        epoch=state.epoch,
        since=datetime.fromtimestamp(state.since, UTC),
        reason=state.reason,
        stopped=state.stopped,
        primary=_primary(_news(state.since) if by_news else None),
        copy=_copy(),
        watcher=_watcher(report),
        switches=modes.history(SWITCHES_SHOWN),
        report=report,
    )


def open_conflicts(alias: str | None = None) -> dict[str, int]:
    """How many conflicts and quarantined rows nobody has resolved, by kind."""
    unresolved = Conflict.objects.using(alias).filter(resolved_at__isnull=True)
    counts = dict(unresolved.values_list("kind").annotate(Count("pk")).order_by())
    return {kind.value: counts.get(kind.value, 0) for kind in Conflict.Kind}


def hosts() -> Sequence[Host] | None:
    """Those the primary knows. None if it is not the active side and cannot be asked."""
    known = Host.objects.using(MSSQL).order_by("name", "pk")
    if active_alias() == MSSQL:
        return list(known)
    try:
        return list(known)
    except Exception as error:  # of any kind: the driver's own are no errors of Django's
        logger.warning("The hosts could not be read from SQL Server: %s", error)
        drop(MSSQL)
        return None


def _news(since: float) -> str | None:
    """The primary's trouble as somebody found it just now; None if nobody has looked since the
    last switch."""
    seen = mode_file().last_probe(within_s=NEWS_S)
    if seen is None or seen.at < since:
        return None
    return "" if seen.is_good else "it did not answer a moment ago"


def _primary(trouble: str | None) -> Primary:
    about = settings.DATABASES[MSSQL]
    if trouble is None:
        failure = look().failure
        trouble = "" if failure is None else failure.code
    return Primary(host=about.get("HOST", ""), database=about["NAME"], trouble=trouble)


def _watcher(report: Report | None) -> str:
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
