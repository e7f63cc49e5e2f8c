"""Real processes on one host while the link comes and goes."""

import time
from collections import Counter

import pytest

from agents.models import Agent
from rodcorp.databases.models import UnitMarker
from tests.processes import wait_for
from tests.sides.home import lead_home
from tests.sides.running import PATIENCE_S, answers_of, processes

PROCESSES = 8
UNITS = 40


@pytest.fixture
def write(company):
    """`write(units, faults)`: eight processes that do."""
    with processes(company.directory) as start:

        def write(units=UNITS, faults=0):
            return [
                start("-m", "tests.sides.writer", f"w{number}", units, faults)
                for number in range(PROCESSES)
            ]

        yield write


def test_when_the_link_is_cut_all_processes_write_to_the_copy_and_nobody_fails(company, write):
    writers = write()
    wait_for(lambda: company.on("mssql", Agent) >= PROCESSES)
    company.link.cut()
    answers = answers_of(writers)
    assert [answer for answer in answers if "failed" in answer] == []
    assert len({answer["id"] for answer in answers}) == PROCESSES * UNITS
    there, here = company.where(Agent)
    assert there > 0 < here
    assert there + here == PROCESSES * UNITS
    assert len(company.modes.history()) == 1


def test_while_the_link_flaps_no_writer_is_stranded_and_nothing_is_lost_or_doubled(company, write):
    flips = 0
    writers = write(units=200)
    wait_for(lambda: company.on("mssql", Agent) >= PROCESSES)

    def flap():
        nonlocal flips
        time.sleep(0.1)
        company.link.cut()
        time.sleep(0.1)
        company.link.mend()
        flips += lead_home(company)
        return not any(writer.is_busy for writer in writers)

    wait_for(flap, PATIENCE_S)
    answers = answers_of(writers)
    lead_home(company)
    assert flips >= 2
    assert [answer for answer in answers if "failed" in answer] == []
    acknowledged = Counter(answer["id"] for answer in answers)
    assert set(acknowledged.values()) == {1}
    held = [str(key) for key in Agent.objects.using("mssql").values_list("pk", flat=True)]
    assert sorted(held) == sorted(acknowledged)
    assert company.on("mssql", UnitMarker) == PROCESSES * 200
    assert company.journal() == []


def test_faults_in_all_phases_leave_each_row_once(company, write):
    answers = answers_of(write(units=64, faults=16))
    assert [answer for answer in answers if "failed" in answer] == []
    assert company.where(Agent) == (PROCESSES * 64, 0)
