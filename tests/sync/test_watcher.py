"""The process that keeps a host's copy warm and leads it home."""

import threading
import time
from itertools import pairwise

import pytest
from django.db import connections

from agents.models import Agent
from agents.services.registry import register_agent
from rodcorp.databases import journal, protection, switching
from rodcorp.databases.mode import Mode
from rodcorp.databases.sync import watcher as watching
from rodcorp.databases.sync.nudge import Nudges, nudge
from rodcorp.databases.sync.watcher import Watcher, last_report
from tests.processes import wait_for

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watcher(company, source, clock):
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    return Watcher(source, clock=clock)


@pytest.fixture
def running(company, source):
    """A watcher at work, in a thread of its own."""
    over = threading.Event()

    def run():
        try:
            Watcher(source).run(over.is_set)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: (report := last_report()) and report.pulls)
    yield
    over.set()
    nudge()
    thread.join()


def ada(system, **details):
    return register_agent(actor=system, name="Ada", **{**MACHINE, **details})


def test_the_first_step_fills_the_copy(company, watcher, system, same):
    ada(system)
    watcher.step()
    assert company.on("sqlite", Agent) == 1
    same()


def test_it_says_what_it_does_and_how_far_behind_the_copy_may_be(company, watcher, system):
    watcher.step()
    report = last_report()
    assert (report.doing, report.is_alive, report.trouble) == ("feeding", True, "")
    assert 0 <= report.lag_s < 5


def test_a_primary_that_is_lost_is_left_before_anybody_asks_for_it(company, watcher):
    watcher.step()
    company.link.cut()
    watcher.step()
    watcher.step()
    assert company.mode == "fallback"


def test_it_leads_home_when_the_primary_was_well_for_five_seconds(company, watcher, clock, system):
    watcher.step()
    company.link.cut()
    ada(system)
    for _ in range(3):
        watcher.step()
        clock.now += 1
    company.link.mend()
    modes = []
    for _ in range(7):
        watcher.step()
        clock.now += 1
        modes.append(company.mode)
    assert modes[:4] == ["fallback"] * 4
    assert modes[-1] == "primary"
    assert company.on("mssql", Agent) == 1
    assert last_report().heals == 1


def test_a_primary_that_comes_and_goes_is_not_trusted(company, watcher, clock):
    watcher.step()
    switching.to_copy("test")
    for _ in range(4):
        for is_there in (True, True, True, False):
            company.link.mend() if is_there else company.link.cut()
            watcher.step()
            clock.now += 1
    assert company.mode == "fallback"
    assert last_report().heals == 0


def test_after_a_way_home_that_failed_it_waits_longer_each_time(
    company, watcher, clock, monkeypatch
):
    watcher.step()
    switching.to_copy("test")
    tried = []
    monkeypatch.setattr(watcher._healer, "heal", lambda reason: tried.append(clock.now))
    for _ in range(40):
        watcher.step()
        clock.now += 1
    pauses = [after - before for before, after in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 8


def test_a_healer_that_died_is_followed_by_another(company, watcher, clock, system):
    watcher.step()
    switching.to_copy("test")
    ada(system)
    company.modes.change(Mode.HEALING, company.modes.read().epoch, "died")
    for _ in range(8):
        watcher.step()
        clock.now += 1
    assert company.mode == "primary"
    assert company.on("mssql", Agent) == 1


def test_rows_left_behind_in_mode_primary_are_replayed_at_once(company, watcher, system, same):
    watcher.step()
    switching.to_copy("test")
    ada(system)
    company.modes.change(Mode.HEALING, company.modes.read().epoch, "test")
    company.modes.change(Mode.PRIMARY, company.modes.read().epoch, "test")
    watcher.step()
    assert company.on("mssql", Agent) == 1
    assert company.journal() == []
    same()


def test_a_copy_that_differs_is_filled_anew(company, watcher, clock, system, same):
    ada(system)
    watcher.step()
    triggers = [f"rv_{name}_GlobalAgentRegistry" for name in ("INSERT", "UPDATE", "DELETE")]
    with connections["mssql"].cursor() as cursor:
        for name in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
    Agent.objects.using("mssql").all()._raw_delete("mssql")
    clock.now += watching.COMPARE_EVERY_S + 1
    watcher.step()
    assert company.on("sqlite", Agent) == 0
    assert last_report().reseeds == 1


def test_after_the_way_home_the_two_are_compared_at_once(company, watcher, clock, system, same):
    ada(system)
    watcher.step()
    switching.to_copy("test")
    with journal.as_feed():
        Agent.objects.using("sqlite").all()._raw_delete("sqlite")
    for _ in range(8):
        watcher.step()
        clock.now += 1
    assert company.mode == "primary"
    assert last_report().reseeds == 1
    same()


def test_a_copy_that_is_the_same_is_left_alone(company, watcher, clock, system):
    ada(system)
    watcher.step()
    clock.now += watching.COMPARE_EVERY_S + 1
    watcher.step()
    assert last_report().reseeds == 0


def test_only_one_on_a_host_gets_to_work(company, running, source):
    second = Watcher(source)
    over = iter([False, True])
    second.run(lambda: next(over, True))
    assert second.report.pulls == 0


def test_what_is_acknowledged_is_on_the_copy(company, running, system):
    before = protection.figures()
    ada(system)
    assert company.on("sqlite", Agent) == 1
    assert protection.figures().protected == before.protected + 1


def test_without_a_watcher_nobody_waits(company, source, system):
    before = protection.figures()
    began = time.monotonic()
    ada(system)
    assert time.monotonic() - began < protection.PATIENCE_S
    assert protection.figures().unprotected == before.unprotected + 1


def test_a_watcher_that_hangs_holds_nobody_for_long(company, source, system):
    nudges = Nudges()
    began = time.monotonic()
    ada(system)
    nudges.close()
    assert protection.PATIENCE_S <= time.monotonic() - began < 4 * protection.PATIENCE_S


def test_a_nudge_wakes_the_watcher_and_many_wake_it_once(company):
    nudges = Nudges()
    assert not nudges.wait(0)
    for _ in range(100_000):
        assert nudge()
    assert nudges.wait(0)
    assert not nudges.wait(0)
    nudges.close()
    assert not nudge()


def test_home_and_away_again_with_a_watcher_nobody_notices(company, running, system, monkeypatch):
    monkeypatch.setattr(watching, "STEADY_S", 0.3)
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.1)
    for number in range(60):
        if number % 20 == 5:
            company.link.cut()
        if number % 20 == 12:
            company.link.mend()
        register_agent(actor=system, name=f"Agent-{number}", **MACHINE)
        time.sleep(0.02)
    company.link.mend()
    wait_for(lambda: company.mode == "primary")
    assert company.on("mssql", Agent) == 60
