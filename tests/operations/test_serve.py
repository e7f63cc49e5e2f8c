"""The whole program as a newcomer starts it: real processes, a real port."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.processes import children_of, company, status, wait_for


def group_is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def worker_group(process):
    return wait_for(lambda: [group for _, group in children_of(process.pid)])[0]


def test_it_answers_says_where_to_sign_in_and_stops_with_all_it_started(
    repository, home_of_processes
):
    with company(repository, home_of_processes) as (process, address):
        wait_for(lambda: status(address + "/") == 200)
        said = (home_of_processes / "out.txt").read_text()
        assert address in said
        assert re.search(r"Sign in as admin, password: \S{12,}", said)
        assert status(address + "/static/unfold/css/styles.css") == 200
        assert status(address + "/metrics") == 200
        group = worker_group(process)
        assert group != process.pid

        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=10) == 0
        wait_for(lambda: group_is_gone(group), 5)
        assert "Traceback" not in (home_of_processes / "out.txt").read_text()


def test_a_second_start_knows_its_admin_and_shows_no_password(repository, home_of_processes):
    for _ in range(2):
        with company(repository, home_of_processes, RODCORP_ADMIN_PASSWORD="correct-horse-9") as (
            process,
            address,
        ):
            wait_for(lambda where=address: status(where + "/") == 200)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            said = (home_of_processes / "out.txt").read_text()
            assert "correct-horse-9" not in said
    assert "Sign in as before" in said


def test_the_worker_does_not_outlive_a_server_that_was_killed(repository, home_of_processes):
    with company(repository, home_of_processes) as (process, address):
        wait_for(lambda: status(address + "/") == 200)
        group = worker_group(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: group_is_gone(group), 15)


COUNT = """
from rodcorp.bootstrap import setup; setup()
from agents.models import LivenessChange
print(LivenessChange.objects.count())
"""


def test_the_worker_runs_the_scheduled_sweep(repository, home_of_processes):
    """The sample's agents were last seen long ago, so the first sweep writes transitions."""

    def swept():
        counted = subprocess.run(
            [sys.executable, "-c", COUNT],
            cwd=repository,
            env={**os.environ, "RODCORP_DATA_DIR": str(home_of_processes)},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(counted.stdout)

    with company(repository, home_of_processes) as (_process, address):
        wait_for(lambda: status(address + "/") == 200)
        wait_for(swept, 60)


@pytest.mark.parametrize("port", ["http", "-1"])
def test_a_port_that_is_none_is_wrong_usage(repository, home_of_processes, port):
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", port],
        cwd=repository,
        env={**os.environ, "RODCORP_DATA_DIR": str(home_of_processes)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (1, 2)
    assert "port" in done.stderr
