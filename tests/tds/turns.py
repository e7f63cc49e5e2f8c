"""The queue for the store's one write lock."""

import threading
import time
from collections import deque
from collections.abc import Callable

POLL_S = 0.005


class Turns:
    """Who may write, first come, first served. SQLite alone would have writers poll its lock, and
    the unlucky wait for a long time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queue: deque[threading.Event] = deque()

    def take(self, seconds: float, pause: Callable[[float], None]) -> bool:
        """Whether the turn came in time; `pause` is called meanwhile, and may raise."""
        mine = threading.Event()
        with self.lock:
            self.queue.append(mine)
            if self.queue[0] is mine:
                mine.set()
        deadline = time.monotonic() + seconds
        try:
            while not mine.wait(POLL_S):
                if time.monotonic() >= deadline:
                    self.give(mine)
                    return False
                pause(0)
        except BaseException:
            self.give(mine)
            raise
        return True

    def give(self, mine: threading.Event | None = None) -> None:
        """Ends the turn, or the wait for it."""
        with self.lock:
            self.queue.remove(mine or self.queue[0])
            if self.queue:
                self.queue[0].set()
