"""A process that holds the copy's write lock and does nothing any more."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.db import connections

from agents.services.registry import register_agent
from rodcorp.databases import holder, switching

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}

STOPS = """
import os, signal, sqlite3, sys
from pathlib import Path
from rodcorp.databases import holder
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
with holder.recorded(Path(sys.argv[1]).parent):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped(company):
    """A process that was stopped while it held the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS, str(company.directory / "agent_system.db")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_holder_that_was_stopped_is_ended_by_who_waits(company, stopped, system):
    switching.to_copy("test")
    begun = time.monotonic()
    register_agent(actor=system, name="Ada", **MACHINE)
    assert time.monotonic() - begun < 10
    assert stopped.wait(10) == -signal.SIGKILL


def test_a_statement_of_its_own_waits_as_a_transaction_does(company, stopped):
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET lease = ''")
    assert stopped.wait(10) == -signal.SIGKILL


def test_a_holder_that_began_just_now_is_left_alone(company, stopped):
    os.utime(company.directory / holder.FILE)
    assert not holder.end_if_stuck(company.directory)
    assert stopped.poll() is None


def test_another_process_that_has_the_number_by_now_is_left_alone(company, stopped):
    file = company.directory / holder.FILE
    file.write_text(f"{stopped.pid} 1")
    os.utime(file, (0, 0))
    assert not holder.end_if_stuck(company.directory)
    assert stopped.poll() is None


def test_who_is_done_is_not_written_down(tmp_path):
    with holder.recorded(tmp_path):
        assert (tmp_path / holder.FILE).exists()
    assert not (tmp_path / holder.FILE).exists()
