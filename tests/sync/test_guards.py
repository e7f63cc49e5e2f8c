"""What keeps the two databases from being led astray."""

import itertools
import os
import shutil
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from agents.models import Agent
from agents.services.presence import heartbeat, sweep_liveness
from agents.services.registry import register_agent
from rodcorp.databases import clock, failover, hosts, journal, storage, switching
from rodcorp.databases.housekeeping import prune_markers
from rodcorp.databases.ids import natural_id
from rodcorp.databases.management.commands import migrate
from rodcorp.databases.models import Host, UnitMarker
from rodcorp.databases.probe import Answer, ServerState
from rodcorp.databases.reach import Reach, Reached
from rodcorp.databases.sync import beacon
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.images import stored_key
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.sync.watcher import Watcher, last_report
from rodcorp.errors import Unavailable
from rodcorp.people.services import create_user, update_user

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}


def ada(system, **details):
    return register_agent(actor=system, name="Ada", **{**MACHINE, **details})


# --- identity -------------------------------------------------------------------------------------
def test_a_host_that_is_where_it_was_stays_who_it_was(company):
    before = company.modes.host_id()
    hosts.identify()
    hosts.identify()
    assert company.modes.host_id() == before


def test_a_copy_that_was_put_back_makes_another_host(company):
    hosts.identify()
    before = company.modes.host_id()
    connections["sqlite"].close()
    copy = company.directory / "agent_system.db"
    shutil.copy(copy, company.directory / "aside.db")
    os.replace(company.directory / "aside.db", copy)
    hosts.identify()
    assert company.modes.host_id() != before
    assert company.modes.read().stopped == ""


def test_a_folder_that_was_moved_makes_another_host(company, monkeypatch):
    hosts.identify()
    before = company.modes.host_id()
    moved = company.directory / "moved.db"
    os.link(company.directory / "agent_system.db", moved)
    monkeypatch.setitem(connections["sqlite"].settings_dict, "NAME", str(moved))
    hosts.identify()
    assert company.modes.host_id() != before


def test_a_copied_folder_with_changes_to_bring_home_waits_for_a_person(
    company, system, monkeypatch
):
    hosts.identify()
    switching.to_copy("test")
    ada(system)
    monkeypatch.setattr(hosts, "_machine_id", lambda: "another machine")
    hosts.identify()
    assert "from somewhere else" in company.modes.read().stopped
    with pytest.raises(Unavailable, match="until a person has looked"):
        ada(system, team="Core")


# --- absence --------------------------------------------------------------------------------------
def test_away_from_the_primary_nobody_is_marked_down(company, feed, system):
    ada(system)
    Agent.objects.using("mssql").update(last_seen=timezone.now() - timedelta(days=1))
    feed.pull()
    switching.to_copy("test")
    company.modes._connection().execute("UPDATE mode SET since = since - 100000")
    assert Agent.objects.get().last_seen < timezone.now() - timedelta(hours=23)
    assert sweep_liveness(actor=system) == 0


def test_just_after_a_switch_nobody_is_marked_down_and_later_they_are(company, system):
    ada(system)
    Agent.objects.using("mssql").update(last_seen=timezone.now() - timedelta(days=1))
    assert sweep_liveness(actor=system) == 0
    company.modes._connection().execute("UPDATE mode SET since = since - 100000")
    assert sweep_liveness(actor=system) == 1


# --- time -----------------------------------------------------------------------------------------
def looked(offset_s, error_s=0.001):
    return Answer(
        Reached(Reach.REACHABLE, 0.0),
        state=ServerState(True, offset_s, error_s, 0),
    )


def test_what_is_written_has_the_primarys_time(company, system, monkeypatch):
    monkeypatch.setattr(failover, "probe", lambda *a, **k: looked(-3600.0))
    failover.look()
    assert ada(system).first_registered < timezone.now() - timedelta(minutes=59)
    assert clock.now() < timezone.now() - timedelta(minutes=59)


def test_what_a_host_says_of_itself_has_the_primarys_time_too(company, source, monkeypatch):
    monkeypatch.setattr(failover, "probe", lambda *a, **k: looked(-3600.0))
    failover.look()
    beacon.write()
    assert Host.objects.using("mssql").get().reported_at < timezone.now() - timedelta(minutes=59)


def test_what_may_be_the_looks_own_slowness_corrects_nothing(company, monkeypatch):
    monkeypatch.setattr(failover, "probe", lambda *a, **k: looked(0.01, error_s=0.02))
    failover.look()
    assert company.modes.read().clock_offset == 0.0


def test_a_time_ahead_of_all_clocks_is_cut(company, source, feed, system, monkeypatch):
    agent = ada(system)
    feed.pull()
    switching.to_copy("test")
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: timezone.now() + timedelta(days=9))
        heartbeat(actor=system, agent=agent)
    Healer(source).heal("test")
    seen = Agent.objects.using("mssql").get().last_seen
    assert seen < timezone.now() + timedelta(minutes=2)


# --- schema, markers, hosts -----------------------------------------------------------------------
@pytest.fixture
def other(company):
    """Another host on the same primary."""
    return Host.objects.using("mssql").create(
        pk=uuid4(), name="other", epoch=1, created_at=timezone.now(), journal_rows=0,
        reported_at=timezone.now(),
    )  # fmt: skip


def migrating(monkeypatch):
    monkeypatch.setattr(migrate, "is_behind", lambda alias: True)
    call_command("migrate", database="mssql", verbosity=0, interactive=False)


def test_the_primary_is_migrated_when_all_hosts_have_nothing_to_bring_home(
    company, other, source, monkeypatch
):
    monkeypatch.setattr("rodcorp.databases.sync.rowversions.primary_source", lambda: source)
    migrating(monkeypatch)


def test_a_clock_that_is_ahead_makes_nobody_silent(company, other, source, monkeypatch):
    monkeypatch.setattr("rodcorp.databases.sync.rowversions.primary_source", lambda: source)
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=1))
    monkeypatch.setattr(failover, "probe", lambda *a, **k: looked(-3600.0))
    failover.look()
    migrating(monkeypatch)


@pytest.mark.parametrize("said", [{"journal_rows": 3}, {"reported_at": None}])
def test_a_host_that_may_have_changes_to_bring_home_keeps_the_primary_from_being_migrated(
    company, other, monkeypatch, said
):
    Host.objects.using("mssql").filter(pk=other.pk).update(**said)
    with pytest.raises(CommandError, match="other"):
        migrating(monkeypatch)


def test_on_the_copy_the_primary_is_not_migrated(company, monkeypatch):
    switching.to_copy("test")
    with pytest.raises(CommandError, match="stands in"):
        migrating(monkeypatch)


@pytest.fixture
def pruning(source, monkeypatch):
    monkeypatch.setattr("rodcorp.databases.sync.rowversions.primary_source", lambda: source)
    beacon.write()


def test_after_a_migration_the_copy_has_its_triggers(company):
    connections["sqlite"].cursor().execute("DROP TRIGGER rodcorp_insert_GlobalAgentRegistry")
    call_command("migrate", database="sqlite", verbosity=0, interactive=False)
    assert journal.missing(connections["sqlite"]) == []


def old_marker(system):
    ada(system)
    UnitMarker.objects.using("mssql").update(created_at=timezone.now() - timedelta(days=400))


def test_old_markers_go_when_all_hosts_have_said_since_that_they_are_home(
    company, source, other, system, pruning
):
    old_marker(system)
    assert prune_markers() == 1


def test_a_host_that_was_silent_for_long_does_not_keep_old_markers(
    company, source, other, system, pruning
):
    old_marker(system)
    long_ago = timezone.now() - timedelta(days=400)
    Host.objects.using("mssql").filter(pk=other.pk).update(reported_at=long_ago)
    assert prune_markers() == 1


@pytest.mark.parametrize("said", [{"journal_rows": 3}, {"journal_rows": None}])
def test_old_markers_stay_while_a_host_may_ask_for_them(
    company, source, other, system, said, pruning
):
    old_marker(system)
    Host.objects.using("mssql").filter(pk=other.pk).update(**said)
    assert prune_markers() == 0


def test_tombstones_go_when_no_host_can_ask_for_them_any_more(
    company, source, feed, system, pruning
):
    for name in ("Ada", "Grace"):
        register_agent(actor=system, name=name, **MACHINE)
    Agent.objects.using("mssql").all()._raw_delete("mssql")
    with connections["mssql"].cursor() as cursor:
        cursor.execute(
            "UPDATE rv SET changed_at = 0 WHERE row_key = %s",
            [stored_key(natural_id("agent", "default", "ada"))],
        )
    prune_markers()
    left = source.pull(0, rules().values()).deleted["GlobalAgentRegistry"]
    assert [key for key, _ in left] == [natural_id("agent", "default", "grace")]


def silent_for(days):
    then = timezone.now() - timedelta(days=days)
    Host.objects.using("mssql").update(reported_at=then)


def test_a_host_that_was_silent_for_long_is_filled_anew(company, source, feed, system, same):
    """What was deleted meanwhile may have no tombstone any more."""
    ada(system)
    feed.pull()
    beacon.write()
    Agent.objects.using("mssql").all()._raw_delete("mssql")
    with connections["mssql"].cursor() as cursor:
        cursor.execute("DELETE FROM rv WHERE is_deleted")
    silent_for(days=31)
    Watcher(source).step()
    assert company.on("sqlite", Agent) == 0
    assert company.modes.read().stopped == ""


def test_a_host_that_was_silent_for_long_with_changes_waits_for_a_person(
    company, source, feed, system
):
    beacon.write()
    switching.to_copy("test")
    ada(system)
    silent_for(days=31)
    watcher = Watcher(source, clock=itertools.count(step=10).__next__)
    for _ in range(3):
        watcher.step()
    assert "said nothing for 30 days and holds" in company.modes.read().stopped
    assert (company.on("mssql", Agent), company.on("sqlite", Agent)) == (0, 1)


def test_a_host_that_was_silent_for_less_is_not_filled_anew(company, source, feed, system):
    beacon.write()
    silent_for(days=29)
    before = feed.cursor()
    beacon.verify(source, before)
    assert feed.cursor() == before


def test_on_the_copy_markers_stay(company, source, feed, system):
    """Replay asks for them."""
    old_marker(system)
    feed.pull()
    switching.to_copy("test")
    assert prune_markers() == 0
    assert company.on("sqlite", UnitMarker) == 1


def test_a_host_that_will_never_come_back_is_forgotten_and_this_one_is_not(company, other):
    assert hosts.forget(other.pk)
    assert not hosts.forget(other.pk)
    assert not hosts.forget(company.modes.host_id())


# --- what only the primary may --------------------------------------------------------------------
def test_a_role_is_not_changed_on_the_copy(company, source, feed, system):
    create_user(actor=system, username="eve", password="correct-horse-9", role="viewer")
    feed.pull()
    switching.to_copy("test")
    from rodcorp.people.models import User

    with pytest.raises(Unavailable, match="Changing a role"):
        update_user(actor=system, user=User.objects.get(), role="admin")
    update_user(actor=system, user=User.objects.get(), display_name="Eve")


# --- storage --------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path, monkeypatch, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(storage, "_MOUNTS", mounts)
    with pytest.raises(ImproperlyConfigured, match=kind):
        storage.refuse_network_file_system(tmp_path / "data")


def test_a_disk_of_this_host_is_fine(tmp_path):
    storage.refuse_network_file_system(tmp_path)


def test_the_innermost_file_system_counts(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/ / nfs4 rw 0 0\n/dev/a {tmp_path} ext4 rw 0 0\n")
    monkeypatch.setattr(storage, "_MOUNTS", mounts)
    assert storage.file_system_of(tmp_path / "data") == "ext4"


def test_a_host_the_primary_does_not_know_yet_comes_home(company, source, feed, system):
    """Its copy was put back while it was away, so it has become another one."""
    switching.to_copy("test")
    ada(system)
    company.modes._connection().execute("UPDATE host SET id = ?", [str(uuid4())])
    now = iter(range(0, 1_000, 3))
    watcher = Watcher(source, clock=lambda: next(now))
    for _ in range(5):
        watcher.step()
    assert (company.mode, company.modes.read().stopped) == ("primary", "")


def test_a_stopped_host_is_not_led_home(company, source, feed, system):
    switching.to_copy("test")
    ada(system)
    company.modes.stop("test")
    now = iter(range(0, 1_000, 3))
    watcher = Watcher(source, clock=lambda: next(now))
    for _ in range(5):
        watcher.step()
    assert last_report().doing == "stopped"
    with pytest.raises(Unavailable, match="until a person has looked"):
        Healer(source).heal("test")
    assert company.mode == "fallback"
    assert company.on("mssql", Agent) == 0
