"""Figures of the databases, for Prometheus: of this process, of this host's mode, copy and watcher.

Nothing is asked of the primary. Who asks is a thread of its own, outside any request, so what is
opened here is closed here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connections
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rodcorp.databases import journal, pool, protection
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.mode import HISTORY_LENGTH, Mode, State
from rodcorp.databases.sides import has_primary, mode_file
from rodcorp.databases.status import open_conflicts
from rodcorp.databases.sync.watcher import last_report


class _Databases(Collector):
    """Read when asked for; nothing is counted twice."""

    def describe(self) -> list[Metric]:
        """Nothing: otherwise all is read once when it is registered, before there is anything."""
        return []

    def collect(self) -> Iterator[Metric]:
        if not has_primary():
            return
        with _closing_what_is_opened():
            state = mode_file().read()
            yield from _connections()
            yield from _acknowledgements()
            yield from _mode(state)
            yield from _switches()
            yield from _copy()
            yield from _watcher(state)


@contextmanager
def _closing_what_is_opened() -> Iterator[None]:
    copy = connections[SQLITE]
    was_open = copy.connection is not None
    try:
        yield
    finally:
        mode_file().close()
        if not was_open:
            copy.close()


def _connections() -> Iterator[Metric]:
    figures = pool.figures()
    connections = GaugeMetricFamily(
        "rodcorp_primary_connections",
        "Connections of this process to SQL Server, by what they do",
        labels=["state"],
    )
    connections.add_metric(["in_use"], figures.in_use)
    connections.add_metric(["idle"], figures.idle)
    yield connections
    yield _gauge("primary_connections_limit", "MSSQL_MAX_CONNECTIONS", figures.limit)
    for name, about, value in (
        ("waits", "How often somebody had to wait for a connection", figures.waits),
        ("drops", "How many connections were thrown away", figures.drops),
        ("refusals", "How often somebody waited for a connection in vain", figures.refusals),
    ):
        yield _counter(f"primary_connection_{name}", about, value)


def _acknowledgements() -> Iterator[Metric]:
    figures = protection.figures()
    for name, value in figures._asdict().items():
        about = f"Units of this process that were {name} when they were acknowledged on SQL Server"
        yield _counter(f"acknowledgements_{name}", about, value)


def _mode(state: State) -> Iterator[Metric]:
    mode = GaugeMetricFamily(
        "rodcorp_database_mode", "1 for the mode this host is in", labels=["mode"]
    )
    for each in Mode:
        mode.add_metric([each.value], int(each is state.mode))
    yield mode
    yield _gauge("database_epoch", "How often this host has switched, plus one", state.epoch)
    yield _gauge("database_mode_since_seconds", "When it came into it, since 1970", state.since)
    yield _gauge(
        "database_stopped", "1 while nothing is written until a person looks", bool(state.stopped)
    )


def _switches() -> Iterator[Metric]:
    """No counter: the history forgets, and `rodcorp_database_epoch` counts all of them."""
    counts = Counter(switch.mode for switch in mode_file().history(HISTORY_LENGTH))
    switches = GaugeMetricFamily(
        "rodcorp_database_switches",
        f"Switches of this host by the mode they led to, among the last {HISTORY_LENGTH}",
        labels=["mode"],
    )
    for mode in Mode:
        switches.add_metric([mode.value], counts[mode])
    yield switches


def _copy() -> Iterator[Metric]:
    """What waits in this host's own file. One that was never made has nothing to tell."""
    try:
        rows, unresolved = journal.count(connections[SQLITE]), open_conflicts(SQLITE)
    except Error:
        return
    yield _gauge("journal_rows", "Changes written to the copy and not brought home yet", rows)
    conflicts = GaugeMetricFamily(
        "rodcorp_open_conflicts",
        "Rows not brought home as they were written that nobody has resolved, by kind",
        labels=["kind"],
    )
    for kind, count in unresolved.items():
        conflicts.add_metric([kind], count)
    yield conflicts


def _watcher(state: State) -> Iterator[Metric]:
    """Its counts begin again with each watcher."""
    report = last_report()
    is_alive = report is not None and report.is_alive
    yield _gauge("watcher_alive", "1 while this host's watcher says what it does", is_alive)
    if report is None:
        return
    if state.mode is Mode.PRIMARY and report.lag_s is not None:
        # while the copy stands in there is nothing to be behind of
        yield _gauge("copy_lag_seconds", "By how much the copy may be behind", report.lag_s)
    for name, about, value in (
        ("watcher_pulls", "Pulls from SQL Server to the copy", report.pulls),
        ("watcher_pulled_rows", "Rows they brought", report.rows),
        ("watcher_reseeds", "How often the copy was filled anew", report.reseeds),
        ("watcher_heals", "How often this host was led home", report.heals),
    ):
        yield _counter(name, about, value)
    if report.frozen_s is not None:
        yield _gauge(
            "heal_freeze_seconds",
            "For how long nobody could write at the end of the last way home",
            report.frozen_s,
        )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"rodcorp_{name}", about, value=value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"rodcorp_{name}", about, value=value)


def register() -> None:
    """Once in a process."""
    REGISTRY.register(_Databases())
