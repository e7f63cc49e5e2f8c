"""The way home: what it closes, in which order, and at whose pace."""

import os
import sqlite3

import pytest
from django.db import connections
from portalocker.exceptions import LockException

from agents.services.discussions import post_message
from rodcorp.databases import fence, holder, switching, units
from rodcorp.databases.mode import Mode, ModeFile
from rodcorp.databases.models import Host
from rodcorp.databases.sync import healing
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.replay import Replay
from rodcorp.errors import Unavailable


@pytest.fixture
def ada(source, make_agent):
    return make_agent("Ada")


@pytest.fixture
def away(company, ada, feed):
    """The copy is filled, and active."""
    switching.to_copy("test")
    return company


@pytest.fixture
def post(ada, system):
    return lambda text="m": post_message(actor=system, agent=ada, topic="t", message=text)


def test_the_fence_is_closed_before_the_mode_changes(away, source, post, monkeypatch):
    seen = []
    change = ModeFile.change

    def look_first(self, to, expected_epoch, reason):
        if to is Mode.PRIMARY:
            seen.append(fence.left_behind())
        return change(self, to, expected_epoch, reason)

    post()
    monkeypatch.setattr(ModeFile, "change", look_first)
    Healer(source).heal("test")
    assert [found.is_open for found in seen] == [False]
    assert seen[0].epoch == away.modes.read().epoch


def test_who_holds_the_copy_for_the_tail_is_written_down(away, source, post, monkeypatch):
    said = []
    close = fence.close

    def look_first(*arguments):
        said.append((away.directory / holder.FILE).read_text().split()[0])
        close(*arguments)

    post()
    monkeypatch.setattr(fence, "close", look_first)
    Healer(source).heal("test")
    assert said == [str(os.getpid())]


def test_nobody_writes_while_the_tail_is_replayed(away, source, post, monkeypatch):
    refused = []
    run = Replay.run_holding_the_copy

    def try_to_write(self, limit):
        other = sqlite3.connect(away.directory / "agent_system.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        refused.append(1)
        return run(self, limit)

    post()
    monkeypatch.setattr(Replay, "run_holding_the_copy", try_to_write)
    monkeypatch.setattr(healing, "TAIL_ESTIMATE_S", 1_000.0)
    Healer(source).heal("test")
    assert refused


def test_the_primary_knows_the_epoch_though_nothing_was_written(away, source):
    Healer(source).heal("test")
    assert Host.objects.using("mssql").get().epoch == away.modes.read().epoch - 1


def rename(table, column):
    """As if the primary had not been migrated to have it."""
    with connections["mssql"].cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "Other"')


def test_nothing_is_brought_home_to_an_older_schema(away, source, post):
    rename("AgentDiscussions", "Topic")
    post()
    with pytest.raises(Unavailable, match=r"lacks columns .*\(AgentDiscussions\.Topic\)"):
        Healer(source).heal("test")
    assert away.mode == "fallback"
    assert away.journal() != []


def test_a_table_nothing_is_brought_home_to_may_be_older(away, source, post):
    rename("PayrollMaster", "BaseSalary")
    post()
    assert Healer(source).heal("test").units == 1


def test_only_one_leads_home_at_a_time(away, source, monkeypatch):
    monkeypatch.setattr(switching, "LOCK_TIMEOUT_S", 0.1)
    with switching.only_one(), pytest.raises(LockException):
        Healer(source).heal("also")
    assert away.mode == "fallback"


# --- the pace of those who write ------------------------------------------------------------------
def test_who_writes_faster_than_can_be_replayed_is_slowed(away, source, post, monkeypatch):
    monkeypatch.setattr(healing, "BATCH", 4)
    monkeypatch.setattr(healing, "TAIL_ESTIMATE_S", 0.0)
    run, paces = Replay.run, []

    def write_more(self, limit):
        done = run(self, limit)
        if len(paces) < 3:
            for _ in range(3):
                post()
            paces.append(away.modes.read().pace)
        return done

    monkeypatch.setattr(Replay, "run", write_more)
    monkeypatch.setattr(units.time, "sleep", lambda seconds: None)
    for _ in range(3):
        post()
    Healer(source).heal("test")
    assert paces == sorted(set(paces))
    assert paces[-1] >= 2 * healing.FIRST_PACE_S


def test_at_home_nobody_is_slowed(away, source, post):
    post()
    away.modes.set_pace(0.2)
    Healer(source).heal("test")
    assert away.modes.read().pace == 0.0


def test_a_unit_on_the_copy_keeps_the_pace(away, post, monkeypatch):
    slept = []
    monkeypatch.setattr(units.time, "sleep", slept.append)
    post()
    away.modes.set_pace(0.125)
    post()
    assert slept == [0.125]
