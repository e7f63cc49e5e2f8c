"""Figures of the databases, for Prometheus: of this process, and of this host's mode."""

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rodcorp.databases import pool
from rodcorp.databases.mode import Mode
from rodcorp.databases.sides import has_primary, mode_file


class _Databases(Collector):
    """Read when asked for; nothing is counted twice."""

    def collect(self) -> Iterator[Metric]:
        if has_primary():
            yield from _connections()
            yield from _mode()


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
    yield GaugeMetricFamily(
        "rodcorp_primary_connections_limit", "MSSQL_MAX_CONNECTIONS", value=figures.limit
    )
    for name, about, value in (
        ("waits", "How often somebody had to wait for a connection", figures.waits),
        ("drops", "How many connections were thrown away", figures.drops),
        ("refusals", "How often somebody waited for a connection in vain", figures.refusals),
    ):
        yield CounterMetricFamily(f"rodcorp_primary_connection_{name}", about, value=value)


def _mode() -> Iterator[Metric]:
    state = mode_file().read()
    mode = GaugeMetricFamily(
        "rodcorp_database_mode", "1 for the mode this host is in", labels=["mode"]
    )
    for each in Mode:
        mode.add_metric([each.value], int(each is state.mode))
    yield mode
    yield GaugeMetricFamily(
        "rodcorp_database_epoch", "How often this host has switched, plus one", value=state.epoch
    )
    yield GaugeMetricFamily(
        "rodcorp_database_mode_since_seconds", "When it came into it, since 1970", value=state.since
    )


def register() -> None:
    """Once in a process."""
    REGISTRY.register(_Databases())
