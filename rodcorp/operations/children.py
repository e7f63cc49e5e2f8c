"""The processes beside the web server: each in a process group of its own, so that Ctrl-C reaches
it through its parent only (TERM to all of its processes at once makes the job worker hang), and
bound to the parent's life by a pipe. One that dies or hangs is started again."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from django.conf import settings

STOP_TIMEOUT_S = 2.0

# Seconds between two looks at the children, and before one that died is started again.
LOOK_EVERY_S = 1.0

logger = logging.getLogger(__name__)


class Child:
    """A command of ours that takes `--with-parent`. `hangs` says whether one that has run for so
    many seconds does nothing any more."""

    def __init__(
        self, *command: str, hangs: Callable[[float], bool] = lambda running_s: False
    ) -> None:
        self.name = " ".join(command)
        self._command, self._hangs = command, hangs
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *self._command, "--with-parent"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def look_after(self) -> None:
        """Start it again if it died or hangs."""
        process = self._process
        if process is None:
            return
        if process.poll() is not None:
            logger.error("`%s` ended by itself; it is started again.", self.name)
        elif self._hangs(time.monotonic() - self._began):
            logger.error("`%s` does nothing any more; it is ended and started again.", self.name)
            _end(process)
        else:
            return
        if process.stdin:
            process.stdin.close()
        self.start()

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
            _end(process)
        if process.stdin:
            process.stdin.close()
        self._process = None


class Children:
    """All of them, and the thread that looks after them."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stopping = threading.Event()
        # a child is not started again while all are being stopped
        self._busy = threading.Lock()
        self._keeper = threading.Thread(target=self._look_after, daemon=True)

    def start(self) -> None:
        for child in self._children:
            child.start()
        self._keeper.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()
        for child in self._children:
            child.ask_to_stop()

    def stop(self) -> None:
        self._stopping.set()
        with self._busy:
            for child in self._children:
                child.ask_to_stop()
            for child in self._children:
                child.stop()

    def _look_after(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            with self._busy:
                if self._stopping.is_set():
                    return
                for child in self._children:
                    child.look_after()


def parent_is_gone() -> bool:
    """For a child: whether the process that started it with `--with-parent` has ended, however."""
    os.set_blocking(sys.stdin.fileno(), False)
    try:
        return os.read(sys.stdin.fileno(), 1) == b""
    except BlockingIOError:
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
