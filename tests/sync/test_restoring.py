"""A primary that went back in time, and a copy that did."""

import shutil

import pytest
from django.db import connections

from agents.models import Agent
from agents.services.registry import register_agent
from rodcorp.databases import switching, units
from rodcorp.databases.mode import ModeFile
from rodcorp.databases.models import Host
from rodcorp.databases.sync import beacon
from rodcorp.databases.sync.watcher import Watcher, last_report
from rodcorp.errors import Unavailable
from rodcorp.kit import rows
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


def test_a_unit_that_was_fed_before_a_restore_forgot_it_keeps_its_answer(
    company, watcher, restore, system, monkeypatch
):
    was_committed = units._was_committed

    def asked_after_a_restore(unit):
        watcher.step()
        restore()
        answer = was_committed(unit)
        company.link.cut()
        return answer

    monkeypatch.setattr(units, "_was_committed", asked_after_a_restore)
    company.link.fail("commit_after", "reset")
    answered = units.run_in_unit(
        lambda unit: str(rows.insert(Agent(name="Ada", project="p", **MACHINE)).pk),
        actor=system,
        operation="test",
    )
    assert [str(agent.pk) for agent in Agent.objects.using("sqlite")] == [answered]


def test_a_restored_primary_is_noticed_though_others_have_written_to_it_since(
    company, watcher, restore, system
):
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    restore()
    for number in range(20):
        Agent.objects.using("mssql").create(name=f"A{number}", project="p", **MACHINE)
    watcher.step()
    assert "last word" in company.modes.read().stopped
    assert [agent.name for agent in Agent.objects.using("sqlite")] == ["Ada"]


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


def test_a_copy_that_is_ahead_stops_a_host_that_has_just_become_another(company, watcher):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET cursor = cursor + 1000")
    company.modes.become_another()
    watcher._feed = None
    watcher.step()
    assert "ahead" in company.modes.read().stopped


def test_a_mode_file_that_is_older_than_what_the_primary_saw_stops_the_host(company, watcher):
    """All its units would be taken for those of a process that slept."""
    Host.objects.using("mssql").update(epoch=99)
    watcher._feed = None
    watcher.step()
    assert "older" in company.modes.read().stopped
    beacon.accept_restored()
    watcher.step()
    assert company.modes.read().stopped == ""


def test_a_word_that_may_not_have_arrived_is_no_restore(company, watcher):
    company.modes.note_beacon("on its way", company.modes.beacons()[0])
    watcher.step()
    assert company.modes.read().stopped == ""


def test_several_words_that_did_not_arrive_are_no_restore(company, watcher):
    for _ in range(2):
        company.link.fail("execute", "reset", matching="UPDATE")
        watcher.step()
    watcher.step()
    assert company.modes.read().stopped == ""


def test_who_slept_through_the_words_of_others_says_nothing(company, watcher, monkeypatch):
    note = ModeFile.note_beacon

    with monkeypatch.context() as patch:

        def sleep_after(self, word, before):
            note(self, word, before)
            patch.setattr(ModeFile, "note_beacon", note)
            beacon.write()
            # once it has spoken it is killed
            patch.delattr(ModeFile, "confirm_beacon")

        patch.setattr(ModeFile, "note_beacon", sleep_after)
        beacon.write()
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


def test_nothing_is_brought_home_to_a_primary_that_was_restored(
    company, watcher, restore, system, monkeypatch
):
    monkeypatch.setattr("rodcorp.databases.sync.watcher.STEADY_S", 0.0)
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    switching.to_copy("test")
    register_agent(actor=system, name="Grace", **MACHINE)
    restore()
    watcher.step()
    assert "restored" in company.modes.read().stopped
    assert company.mode == "fallback"
    assert company.on("mssql", Agent) == 0
    assert company.journal() != []
