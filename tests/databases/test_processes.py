"""Real processes on one host while the link comes and goes."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from agents.models import Agent
from rodcorp.databases.models import UnitMarker
from tests.sides.home import lead_home

PROCESSES = 8
UNITS = 40


@pytest.fixture
def writers(company, repository):
    """`writers(units, faults)`: eight processes that write; their answers, once all are done."""

    @contextmanager
    def start(units=UNITS, faults=0):
        environment = {**os.environ, "RODCORP_DATA_DIR": str(company.directory)}
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.sides.writer", f"w{number}", str(units), str(faults)],
                cwd=repository,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for number in range(PROCESSES)
        ]
        try:
            yield started
        finally:
            for process in started:
                process.kill()
                process.wait()
                process.stdout.close()

    return start


def answers_of(processes):
    return [
        json.loads(line)
        for process in processes
        for line in process.communicate()[0].split("\n")
        if line
    ]


def test_when_the_link_is_cut_all_processes_write_to_the_copy_and_nobody_fails(company, writers):
    with writers() as processes:
        while company.on("mssql", Agent) < PROCESSES:
            time.sleep(0.02)
        company.link.cut()
        answers = answers_of(processes)
    assert [answer for answer in answers if "failed" in answer] == []
    assert len({answer["id"] for answer in answers}) == PROCESSES * UNITS
    there, here = company.where(Agent)
    assert there > 0 < here
    assert there + here == PROCESSES * UNITS
    assert len(company.modes.history()) == 1


def test_while_the_link_flaps_no_writer_is_stranded_and_nothing_is_lost_or_doubled(
    company, writers
):
    flips = 0
    with writers(units=200) as processes:
        while company.on("mssql", Agent) < PROCESSES:
            time.sleep(0.02)
        while any(process.poll() is None for process in processes):
            time.sleep(0.15)
            company.link.cut()
            time.sleep(0.1)
            company.link.mend()
            flips += lead_home(company)
        answers = answers_of(processes)
    lead_home(company)
    assert flips >= 2
    assert [answer for answer in answers if "failed" in answer] == []
    acknowledged = Counter(answer["id"] for answer in answers)
    assert set(acknowledged.values()) == {1}
    held = [str(key) for key in Agent.objects.using("mssql").values_list("pk", flat=True)]
    assert sorted(held) == sorted(acknowledged)
    assert company.on("mssql", UnitMarker) == PROCESSES * 200
    assert company.journal() == []


def test_faults_in_all_phases_leave_each_row_once(company, writers):
    with writers(units=64, faults=16) as processes:
        answers = answers_of(processes)
    assert [answer for answer in answers if "failed" in answer] == []
    assert company.where(Agent) == (PROCESSES * 64, 0)
