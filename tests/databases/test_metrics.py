"""What Prometheus reads."""

import threading
import time
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import generate_latest

from agents.services.discussions import post_message
from rodcorp.databases import metrics, pool, protection, switching
from rodcorp.databases.journal import as_feed
from rodcorp.databases.models import Conflict
from rodcorp.databases.sync import watcher as watching


def lines():
    return generate_latest().decode().splitlines()


def value_of(name):
    [line] = [line for line in lines() if line.startswith(f"{name} ")]
    return float(line.removeprefix(name))


def is_told(name):
    return any(line.startswith(name) for line in lines())


def conflict(kind, **values):
    now = timezone.now()
    names = {"operation": "x", "caller": "y", "table_name": "t", "rule": "r"}
    ids = {name: uuid4() for name in ("id", "unit", "host", "row_key")}
    with as_feed():
        Conflict.objects.using("sqlite").create(
            kind=kind, happened_at=now, recorded_at=now, **names, **ids, **values
        )


def test_the_mode_of_this_host_is_told(company):
    assert 'rodcorp_database_mode{mode="primary"} 1.0' in lines()
    switching.to_copy("test")
    assert 'rodcorp_database_mode{mode="primary"} 0.0' in lines()
    assert 'rodcorp_database_mode{mode="fallback"} 1.0' in lines()
    assert "rodcorp_database_epoch 2.0" in lines()


def test_a_stopped_host_says_so(company):
    assert value_of("rodcorp_database_stopped") == 0
    company.modes.stop("somebody restored it")
    assert value_of("rodcorp_database_stopped") == 1


def test_switches_are_counted_by_where_they_led(company, watcher):
    switching.to_copy("test")
    switching.to_primary("test")
    switching.to_copy("test")
    assert value_of('rodcorp_database_switches{mode="primary"}') == 1
    assert value_of('rodcorp_database_switches{mode="fallback"}') == 2


def test_the_connections_of_this_process_are_told(company, monkeypatch):
    figures = pool.Figures(in_use=3, idle=2, limit=20, waits=5, drops=7, refusals=1)
    monkeypatch.setattr(pool, "figures", lambda: figures)
    told = lines()
    assert 'rodcorp_primary_connections{state="in_use"} 3.0' in told
    assert 'rodcorp_primary_connections{state="idle"} 2.0' in told
    assert "rodcorp_primary_connections_limit 20.0" in told
    assert "rodcorp_primary_connection_waits_total 5.0" in told
    assert "rodcorp_primary_connection_drops_total 7.0" in told
    assert "rodcorp_primary_connection_refusals_total 1.0" in told


def test_acknowledgements_are_told_by_whether_the_copy_had_them(company, monkeypatch):
    monkeypatch.setattr(protection, "_figures", protection.Figures(protected=8, unprotected=2))
    assert value_of("rodcorp_acknowledgements_protected_total") == 8
    assert value_of("rodcorp_acknowledgements_unprotected_total") == 2


def test_what_waits_in_the_journal_is_counted(company, watcher, make_agent, system):
    ada = make_agent()
    watcher.step()
    assert value_of("rodcorp_journal_rows") == 0
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m")
    assert value_of("rodcorp_journal_rows") == len(company.journal()) > 0


def test_what_nobody_has_resolved_is_counted_by_kind(company):
    for _ in range(2):
        conflict("conflict")
    conflict("quarantine")
    conflict("quarantine", resolved_at=timezone.now())
    assert value_of('rodcorp_open_conflicts{kind="conflict"}') == 2
    assert value_of('rodcorp_open_conflicts{kind="quarantine"}') == 1


def test_a_watcher_at_work_tells_what_it_did(company, watcher, make_agent):
    make_agent()
    watcher.step()
    assert value_of("rodcorp_watcher_alive") == 1
    assert value_of("rodcorp_watcher_pulls_total") == 2
    assert value_of("rodcorp_watcher_pulled_rows_total") > 0
    assert value_of("rodcorp_watcher_reseeds_total") == 0
    assert value_of("rodcorp_watcher_heals_total") == 0
    assert 0 <= value_of("rodcorp_copy_lag_seconds") < 5
    assert not is_told("rodcorp_heal_freeze_seconds")


def test_the_last_freeze_is_told(company, watcher):
    watcher.report.heals, watcher.report.frozen_s = 1, 0.05
    watcher.step()
    assert value_of("rodcorp_watcher_heals_total") == 1
    assert value_of("rodcorp_heal_freeze_seconds") == 0.05


def test_a_silent_watcher_is_not_alive_and_its_copy_falls_behind(company, watcher, monkeypatch):
    later = time.time() + 100
    monkeypatch.setattr(watching.time, "time", lambda: later)
    assert value_of("rodcorp_watcher_alive") == 0
    assert value_of("rodcorp_copy_lag_seconds") >= 99


def test_a_host_without_a_watcher_says_so(company):
    assert value_of("rodcorp_watcher_alive") == 0
    assert not is_told("rodcorp_watcher_pulls_total")
    assert not is_told("rodcorp_copy_lag_seconds")


def test_a_copy_that_stands_in_is_behind_of_nothing(company, watcher):
    switching.to_copy("test")
    assert not is_told("rodcorp_copy_lag_seconds")


def test_a_copy_that_was_never_made_has_nothing_to_tell(company):
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("DROP TABLE rodcorp_journal")
    assert value_of("rodcorp_database_epoch") == 1
    assert not is_told("rodcorp_journal_rows")


def test_the_primary_is_not_asked_and_the_copy_little(company, watcher):
    probes, connects = company.link.probes, company.link.connects
    with CaptureQueriesContext(connections["sqlite"]) as asked:
        lines()
    assert len(asked) == 2
    assert (company.link.probes, company.link.connects) == (probes, connects)


def test_a_thread_that_asks_leaves_nothing_open(company):
    left = []

    def ask():
        lines()
        left.append(connections["sqlite"].connection)
        left.append(getattr(company.modes._local, "connection", None))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert left == [None, None]


def test_registering_reads_nothing():
    assert metrics._Databases().describe() == []


@pytest.mark.sqlite_only("no SQL Server is configured")
def test_without_a_primary_there_is_nothing_to_tell():
    assert not [line for line in lines() if "rodcorp_" in line]
