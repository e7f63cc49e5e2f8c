"""The job worker as a child of the web server: in a process group of its own, so that Ctrl-C
reaches it through its parent only (TERM to all of its processes at once makes it hang), and bound
to the parent's life by a pipe."""

import os
import signal
import subprocess
import sys
import time

from django.conf import settings

STOP_TIMEOUT_S = 2.0


class Worker:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--with-parent"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Ask, wait, and end what is left of the group."""
        process = self._process
        if process is None:
            return
        self.ask_to_stop()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            process.stdin.close()
        self._process = None


def run_until_stopped(*, with_parent: bool) -> None:
    """Run the worker in this process until it is told to stop or, `with_parent`, until standard
    input is closed, which happens however the parent ends."""
    from django_q.cluster import Cluster

    from rodcorp.kit.jobs import install_schedules

    install_schedules()
    cluster = Cluster()
    cluster.start()
    if with_parent:
        os.set_blocking(sys.stdin.fileno(), False)
    while cluster.sentinel.is_alive():
        time.sleep(0.2)
        if with_parent and _parent_is_gone():
            cluster.stop()


def _parent_is_gone() -> bool:
    try:
        return os.read(sys.stdin.fileno(), 1) == b""
    except BlockingIOError:
        return False
