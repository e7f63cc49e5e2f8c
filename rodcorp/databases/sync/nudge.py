"""How a process tells this host's watcher that there is something to pull: one byte into a named
pipe. Who finds nobody at its other end knows that nobody watches."""

import contextlib
import os
import select
from pathlib import Path

from django.conf import settings

FILE = "feed.nudge"


def nudge() -> bool:
    """Whether somebody watches. About ten microseconds."""
    try:
        pipe = os.open(_path(), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # a full pipe has woken the watcher already
        with contextlib.suppress(BlockingIOError):
            os.write(pipe, b"!")
    finally:
        os.close(pipe)
    return True


class Nudges:
    """The watcher's end."""

    def __init__(self) -> None:
        path = _path()
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # without a writer of our own the pipe would be at its end whenever nobody nudges
        self._writer = os.open(path, os.O_WRONLY)

    def wait(self, seconds: float) -> bool:
        """Whether somebody nudged within so many seconds."""
        ready, _, _ = select.select([self._pipe], [], [], seconds)
        if not ready:
            return False
        with contextlib.suppress(BlockingIOError):
            os.read(self._pipe, 65536)
        return True

    def close(self) -> None:
        os.close(self._pipe)
        os.close(self._writer)


def _path() -> Path:
    return Path(settings.DATA_DIR) / FILE
