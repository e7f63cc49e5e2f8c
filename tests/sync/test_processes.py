"""Eight real processes that write, and a real watcher, through a switch and the way home."""

import time
from contextlib import contextmanager

import pytest
from django.db import connections

from agents.models import Agent
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.sync.compare import compare
from rodcorp.databases.sync.watcher import last_report
from tests.processes import wait_for
from tests.sides.running import answers_of, processes

PROCESSES = 8
UNITS = 120


@pytest.fixture
def start(company, source):
    """Starts a module as a process of this host."""
    with processes(company.directory) as start:
        yield lambda *arguments: start("-m", *arguments)


@contextmanager
def watched(start):
    watcher = start("tests.sides.watch")
    wait_for(lambda: (report := last_report()) and report.pid == watcher.pid and report.pulls)
    yield watcher
    watcher.kill()


def check(company, source, answers):
    """Everything acknowledged is on the primary, once, and the copy is the same."""
    assert [answer for answer in answers if "failed" in answer] == []
    acknowledged = sorted(answer["id"] for answer in answers)
    assert len(set(acknowledged)) == len(acknowledged) == PROCESSES * UNITS
    held = [str(key) for key in Agent.objects.using("mssql").values_list("pk", flat=True)]
    assert sorted(held) == acknowledged
    assert company.on("mssql", UnitMarker) == len(acknowledged)
    assert company.on("mssql", Conflict) == 0
    connections["sqlite"].close()
    assert [one for one in compare(source) if one.differing] == []


def home(company):
    return company.mode == "primary" and company.journal() == []


def test_nobody_notices_a_switch_and_the_way_home(company, source, start):
    with watched(start):
        writers = [start("tests.sides.writer", f"w{n}", UNITS, 0) for n in range(PROCESSES)]
        wait_for(lambda: company.on("mssql", Agent) > PROCESSES)
        company.link.cut()
        wait_for(lambda: company.mode == "fallback")
        time.sleep(0.5)
        company.link.mend()
        answers = answers_of(writers)
        wait_for(lambda: home(company), 60)
    assert len(company.modes.history()) >= 3
    check(company, source, answers)


def test_a_watcher_that_is_killed_on_the_way_home_is_followed_by_another(company, source, start):
    with watched(start) as first:
        writers = [start("tests.sides.writer", f"w{n}", UNITS, 8) for n in range(PROCESSES)]
        wait_for(lambda: company.on("mssql", Agent) > PROCESSES)
        company.link.cut()
        wait_for(lambda: company.mode == "fallback")
        time.sleep(0.3)
        company.link.mend()
        wait_for(lambda: company.mode != "fallback", 60)
        first.kill()
    with watched(start):
        answers = answers_of(writers)
        wait_for(lambda: home(company), 60)
    check(company, source, answers)
