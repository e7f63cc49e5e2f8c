"""The documented start with a primary: there, gone, or refusing this host."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from agents.models import Agent
from rodcorp.databases import failover, journal, probe, storage
from rodcorp.databases.failures import Failure, Kind
from rodcorp.databases.models import Host
from rodcorp.databases.probe import Answer, ServerState
from rodcorp.databases.reach import Reach, Reached
from rodcorp.operations.start import start


@pytest.fixture(autouse=True)
def _at_once(company, monkeypatch, settings):
    monkeypatch.setattr(probe, "START_PAUSE_S", 0.0)
    settings.RODCORP_SAMPLE_DATA = False


def said():
    lines = []
    start(say=lines.append)
    return "\n".join(lines)


def test_a_host_meets_a_primary_that_is_there(company):
    Host.objects.using("mssql").all().delete()
    said()
    assert company.mode == "primary"
    assert company.on("mssql", Host) == 1


def test_a_primary_that_is_gone_is_asked_three_times_and_then_left(company):
    company.link.cut()
    assert "copy has taken over" in said()
    assert company.mode == "fallback"
    assert company.link.probes == 3


def test_a_primary_that_answers_the_second_time_is_kept(company):
    company.link.fail("probe", "refused")
    said()
    assert company.mode == "primary"
    assert company.link.probes == 2


def test_a_host_that_has_never_seen_the_primary_starts_on_its_empty_copy(company):
    connections["sqlite"].cursor().execute(
        "UPDATE rodcorp_copy SET complete_at = NULL, has_seen_primary = 0"
    )
    company.modes._connection().execute("UPDATE host SET has_seen_primary = 0")
    company.link.cut()
    assert "copy has taken over" in said()


def test_a_host_whose_copy_is_not_complete_says_so_and_starts(company):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET complete_at = NULL")
    company.link.cut()
    assert "never filled completely" in said()
    assert company.mode == "primary"


def test_a_host_that_is_refused_does_not_start_and_names_the_doctor(company, monkeypatch):
    refusal = Answer(Reached(Reach.REACHABLE, 0.0), Failure(Kind.CONFIGURATION, "18456"))
    monkeypatch.setattr(failover, "probe", lambda *args, **kwargs: refusal)
    with pytest.raises(ImproperlyConfigured, match=r"18456.*databases doctor"):
        start()
    assert company.mode == "primary"


def test_triggers_that_were_lost_are_made_again(company):
    connections["sqlite"].cursor().execute("DROP TRIGGER rodcorp_insert_GlobalAgentRegistry")
    said()
    assert journal.missing(connections["sqlite"]) == []


def test_a_company_that_was_on_sqlite_alone_is_not_taken_for_a_copy(company, make_agent):
    copy = connections["sqlite"]
    for name in journal.installed(copy):
        copy.cursor().execute(f'DROP TRIGGER "{name}"')
    copy.cursor().execute("DROP TABLE rodcorp_copy")
    Agent.objects.using("sqlite").create(
        name="Ada", project="p", machine_hostname="h", machine_ip="::1"
    )
    with pytest.raises(ImproperlyConfigured, match=r"holds a company of its own.*RODCORP_DATA_DIR"):
        start()
    assert company.on("sqlite", Agent) == 1


def test_sample_data_is_not_loaded_into_a_copy_that_would_bring_it_to_the_primary(
    company, settings
):
    settings.RODCORP_SAMPLE_DATA = True
    company.link.cut()
    assert "Loading sample data is only possible while SQL Server can be reached" in said()
    assert company.on("sqlite", Agent) == 0


def test_a_copy_without_its_primary_is_not_taken_for_a_company_of_its_own(company):
    del connections.settings["mssql"]
    with pytest.raises(ImproperlyConfigured, match="is the copy of a SQL Server"):
        start()


def test_a_server_that_is_not_in_utc_is_told_of(company, monkeypatch):
    there = Answer(Reached(Reach.REACHABLE, 0.0), state=ServerState(True, 0.0, 0.001, 60))
    monkeypatch.setattr(failover, "probe", lambda *args, **kwargs: there)
    assert "not in UTC" in said()


def test_a_server_that_allows_no_snapshots_is_told_of(company, monkeypatch):
    monkeypatch.setattr("rodcorp.operations.start.MICROSOFT", connections["mssql"].vendor)
    monkeypatch.setattr("rodcorp.operations.start.snapshots_are_allowed", lambda: False)
    assert "does not allow snapshots" in said()


def test_the_copy_is_brought_up_to_date_before_the_primary(company, monkeypatch):
    order = []
    monkeypatch.setattr("rodcorp.operations.start.is_behind", lambda alias: True)
    monkeypatch.setattr(
        "rodcorp.operations.start.call_command",
        lambda name, database, **options: order.append(database),
    )
    said()
    assert order == ["local", "sqlite", "mssql"]


def test_on_a_network_file_system_nothing_starts(company, monkeypatch):
    monkeypatch.setattr(storage, "file_system_of", lambda directory: "nfs4")
    with pytest.raises(ImproperlyConfigured, match="network file system"):
        start()
