"""A company served by real processes on a real port, for tests that need one."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def children_of(pid):
    """Process ids, with their group ids, of a process's children."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,pgid="], capture_output=True, text=True, check=True
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    return [(child, group) for child, parent, group in rows if parent == pid]


def wait_for(condition, seconds=60):
    """The first true answer, or fail."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@contextmanager
def company(repository, data, **environment):
    """A served company; its process and its address."""
    port = free_port()
    log = (data / "out.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=repository,
        env={
            **os.environ,
            "RODCORP_DATA_DIR": str(data),
            "RODCORP_SAMPLE_DATA": "1",
            "PYTHONUNBUFFERED": "1",
            **environment,
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        for _, group in children_of(process.pid):
            if group != process.pid:
                os.killpg(group, signal.SIGKILL)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def status(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
