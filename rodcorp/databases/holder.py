"""Who holds the copy's write lock at the end of the way home.

Whoever dies lets go of it. Whoever is stopped, or waits for a disk, does not, and nobody on this
host can write. So the holder writes down who it is, and a waiter may end it: what it had not
committed is undone, and its supervisor starts another.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "copy.holder"

# Seconds after which a holder is taken to be stuck. It has a deadline of its own, far below.
STUCK_S = 2.0

logger = logging.getLogger(__name__)


@contextmanager
def recorded(directory: Path) -> Iterator[None]:
    """Inside the transaction that holds the lock."""
    file = directory / FILE
    file.write_text(f"{os.getpid()} {_started(os.getpid())}")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def end_if_stuck(directory: Path) -> bool:
    """Whether a holder was ended. One that wrote itself down just now is left alone, and so is a
    process that has its number by now."""
    file = directory / FILE
    try:
        pid, started = map(int, file.read_text().split())
        held_s = time.time() - file.stat().st_mtime
    except (OSError, ValueError):
        return False
    if held_s < STUCK_S or pid == os.getpid() or not started or started != _started(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        logger.error("Process %s holds the copy and cannot be ended: %s", pid, error)
        return False
    logger.error("Process %s held the copy for %.1f s and was ended.", pid, held_s)
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    return True


def _started(pid: int) -> int:
    """When the process began, in ticks since the machine did; 0 where that cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # the name, in parentheses, may hold anything
    return int(stat.rpartition(")")[2].split()[19])
