"""A primary that went back in time, and a copy that did."""

import shutil

import pytest
from django.db import connections

from agents.models import Agent
from agents.services.registry import register_agent
from rodcorp.databases.models import Host
from rodcorp.databases.sync import beacon
from rodcorp.databases.sync.watcher import Watcher, last_report
from rodcorp.errors import Unavailable
from tests.sides.files import PRIMARY_FILE

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}


@pytest.fixture
def watcher(company, source, monkeypatch):
    monkeypatch.setattr("rodcorp.databases.sync.watcher.BEACON_EVERY_S", -1.0)
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    watcher = Watcher(source)
    watcher.step()
    return watcher


@pytest.fixture
def restore(company):
    """Takes a backup of the primary now; what it returns puts it back."""
    connections["mssql"].cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(company.directory / PRIMARY_FILE, company.directory / "backup.db")

    def put_back():
        connections["mssql"].close()
        for suffix in ("", "-wal", "-shm"):
            (company.directory / f"{PRIMARY_FILE}{suffix}").unlink(missing_ok=True)
        shutil.copy(company.directory / "backup.db", company.directory / PRIMARY_FILE)

    return put_back


def test_a_primary_that_stayed_what_it_was_is_fed_from(company, watcher, system):
    for _ in range(3):
        register_agent(actor=system, name="Ada", **MACHINE)
        watcher.step()
    assert company.modes.read().stopped == ""
    assert company.on("sqlite", Agent) == 1


def test_after_a_restore_nothing_is_fed_and_nothing_is_written(company, watcher, restore, system):
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    restore()
    watcher.step()
    assert "restored" in company.modes.read().stopped
    assert "restored" in last_report().trouble
    assert company.on("sqlite", Agent) == 1
    with pytest.raises(Unavailable, match="until a person has looked"):
        register_agent(actor=system, name="Grace", **MACHINE)


def test_a_primary_that_forgot_this_host_stops_it_too(company, watcher, system):
    Host.objects.using("mssql").all().delete()
    with pytest.raises(Unavailable, match="restored"):
        register_agent(actor=system, name="Ada", **MACHINE)
    assert company.on("mssql", Host) == 0


def test_a_copy_that_is_ahead_of_the_primary_stops_the_host(company, watcher):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET cursor = cursor + 1000")
    watcher._feed = None
    watcher.step()
    assert "ahead" in company.modes.read().stopped


def test_a_word_that_may_not_have_arrived_is_no_restore(company, watcher):
    company.modes.note_beacon("on its way")
    watcher.step()
    assert company.modes.read().stopped == ""


def test_what_is_read_is_still_read(company, watcher, restore, system):
    register_agent(actor=system, name="Ada", **MACHINE)
    restore()
    watcher.step()
    assert Agent.objects.count() == 0


def test_a_person_accepts_it_and_the_copy_is_put_aside(company, watcher, restore, system, same):
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    restore()
    watcher.step()
    aside = beacon.accept_restored()
    assert aside.stat().st_size > 0
    watcher.step()
    watcher.step()
    assert company.modes.read().stopped == ""
    register_agent(actor=system, name="Grace", **MACHINE)
    watcher.step()
    same()
    assert [agent.name for agent in Agent.objects.using("sqlite")] == ["Grace"]


def test_an_older_copy_catches_up(company, watcher, system, same):
    copy = company.directory / "agent_system.db"
    connections["sqlite"].cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(copy, company.directory / "older.db")
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    connections["sqlite"].close()
    for suffix in ("", "-wal", "-shm"):
        (company.directory / f"agent_system.db{suffix}").unlink(missing_ok=True)
    shutil.copy(company.directory / "older.db", copy)
    watcher._feed = None
    watcher.step()
    same()
