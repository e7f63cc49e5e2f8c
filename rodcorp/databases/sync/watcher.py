"""The watcher: one process a host that keeps its copy warm and leads it home.

In mode `primary` it pulls whenever it is nudged, and twice a second. In `fallback` it looks at the
primary once a second and heals when it was steady for a while. It says what it does in a file, so
that others can tell a watcher that works from one that hangs.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import portalocker
from django.conf import settings
from django.db import connections

from rodcorp.databases import failover, hosts, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failover import Tries
from rodcorp.databases.failures import Phase, classify
from rodcorp.databases.hosts import Restored
from rodcorp.databases.mode import Mode
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import current, mode_file
from rodcorp.databases.sync import beacon
from rodcorp.databases.sync.feed import Feed, FeedLost
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.nudge import Nudges
from rodcorp.databases.sync.source import ChangeSource
from rodcorp.errors import RodCorpError

LOCK_FILE = "watcher.lock"
STATUS_FILE = "watcher.json"

# Seconds between two pulls that nobody asked for, and between two looks at a lost primary.
PULL_EVERY_S = 0.5
LOOK_EVERY_S = 1.0

# The primary is trusted again after it was well for so long.
STEADY_S = 5.0

# Seconds after an attempt to go home that failed, doubled each time.
FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 60.0

# Seconds between two words to the primary.
BEACON_EVERY_S = 3.0

# Seconds between two comparisons of sizes.
COMPARE_EVERY_S = 60.0

# After so many seconds without a word a watcher is taken for dead.
SILENT_S = 30.0

logger = logging.getLogger(__name__)


@dataclass
class Report:
    """What the watcher last did. Times are seconds since 1970; `fed_at` is when the last pull
    began, so the copy contains all that was committed before it."""

    pid: int
    at: float
    doing: str
    fed_at: float | None = None
    pulls: int = 0
    rows: int = 0
    reseeds: int = 0
    heals: int = 0
    conflicts: int = 0
    quarantined: int = 0
    frozen_s: float | None = None
    trouble: str = ""

    @property
    def is_alive(self) -> bool:
        return time.time() - self.at < SILENT_S

    @property
    def lag_s(self) -> float | None:
        """By how much the copy may be behind the primary, in seconds."""
        return None if self.fed_at is None else time.time() - self.fed_at


def last_report() -> Report | None:
    """What this host's watcher said last; None if there never was one."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Report(**json.loads((Path(settings.DATA_DIR) / STATUS_FILE).read_bytes()))
    return None


def watcher_hangs(running_s: float) -> bool:
    """Whether a watcher that was started so many seconds ago has said nothing for too long."""
    report = last_report()
    return running_s > SILENT_S and (report is None or not report.is_alive)


class Watcher:
    """`source` is asked through this process's connections. Only one on a host gets to work."""

    def __init__(
        self, source: ChangeSource, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.source, self._clock = source, clock
        self.report = Report(os.getpid(), time.time(), "starting")
        self._feed: Feed | None = None
        self._healer = Healer(source, progress=self._progress)
        self._well_since: float | None = None
        self._backoff = FIRST_BACKOFF_S
        self._not_before = float("-inf")
        self._compared = clock()
        self._spoke = float("-inf")

    def run(self, is_over: Callable[[], bool]) -> None:
        """Until `is_over`. Waits while another process watches this host."""
        lock = portalocker.Lock(Path(settings.DATA_DIR) / LOCK_FILE, "a", timeout=0)
        while not is_over():
            try:
                lock.acquire()
                break
            except portalocker.exceptions.LockException:
                time.sleep(LOOK_EVERY_S)
        nudges = Nudges()
        try:
            while not is_over():
                pause = self.step()
                nudges.wait(pause)
        finally:
            nudges.close()
            lock.release()

    def step(self) -> float:
        """Do what is due; how many seconds until the next look, unless somebody nudges."""
        try:
            state = mode_file().read()
            if state.stopped:
                self._feed = None
                self._say("stopped", trouble=state.stopped)
                return LOOK_EVERY_S
            pause = self._keep_warm() if state.mode is Mode.PRIMARY else self._try_home()
            self.report.trouble = ""
        except (RodCorpError, FeedLost, Restored) as error:
            self._feed = None
            self._say("waiting", trouble=str(error) or type(error).__name__)
            return LOOK_EVERY_S
        except Exception as error:
            return self._stumble(error)
        return pause

    # --- in mode primary ------------------------------------------------------------------------
    def _keep_warm(self) -> float:
        side = failover.begin()
        if not side.is_primary:
            return 0.0
        if journal.count(connections[SQLITE]):
            # written by a process that passed the fence just before it closed
            self._healer.bring_strays()
        if self._feed is None:
            hosts.register()
            self._feed = Feed(self.source)
        self._meet(self._feed.cursor())
        began = time.time()
        pulled = self._feed.pull()
        failover.heard()
        self.report.pulls += 1
        self.report.rows += sum(map(len, pulled.rows.values()))
        self.report.fed_at = began
        if self._clock() - self._compared > COMPARE_EVERY_S:
            self._compare()
        self._say("feeding")
        return PULL_EVERY_S

    def _meet(self, cursor: int) -> None:
        """Make sure that it is the primary this host knows, and tell it how this host stands."""
        beacon.verify(self.source, cursor)
        if self._clock() - self._spoke > BEACON_EVERY_S:
            self._spoke = self._clock()
            beacon.write()

    def _compare(self) -> None:
        """Counts and highest versions; a difference brings everything anew."""
        assert self._feed is not None
        self._compared = self._clock()
        failover.look()  # the clocks may have moved apart
        if differing := self._feed.differing():
            logger.error("The copy differs in %s; it is filled anew.", ", ".join(differing))
            self._feed.reseed()
            self.report.reseeds += 1

    # --- away -----------------------------------------------------------------------------------
    def _try_home(self) -> float:
        self._feed = None
        if (failure := failover.look().failure) is not None:
            self._well_since = None
            self._say("away", trouble=failure.code)
            return LOOK_EVERY_S
        now = self._clock()
        self._well_since = self._well_since if self._well_since is not None else now
        if now - self._well_since < STEADY_S or now < self._not_before:
            self._say("away, and the primary is back")
            return LOOK_EVERY_S
        self._say("healing")
        self._meet(Feed(self.source).cursor())
        self._not_before = now + self._backoff
        self._backoff = min(self._backoff * 2, MAX_BACKOFF_S)
        healed = self._healer.heal("the primary is back")
        if healed is None:
            return LOOK_EVERY_S
        self._backoff = FIRST_BACKOFF_S
        # with the first pull after it
        self._compared = float("-inf")
        self.report.heals += 1
        self.report.conflicts += healed.conflicts
        self.report.quarantined += healed.quarantined
        self.report.frozen_s = healed.frozen_s
        logger.warning("The primary is active again; %s units came home.", healed.units)
        return 0.0

    def _progress(self, left: int) -> None:
        if time.time() - self.report.at > LOOK_EVERY_S:
            self._say(f"healing, {left} changes left")

    # --- trouble --------------------------------------------------------------------------------
    def _stumble(self, error: Exception) -> float:
        """An error of a database is the engine's to judge; anything else is logged, and tried
        again."""
        self._feed = None
        self._well_since = None
        failure = classify(error, Phase.READING)
        if connections[MSSQL].in_atomic_block or failure.drops_connection:
            drop(MSSQL)
        side = current()
        with contextlib.suppress(RodCorpError):
            if not side.is_primary or not failover.settle(failure, side, Tries()):
                logger.error("The watcher met an error", exc_info=error)
        self._say("waiting", trouble=f"{type(error).__name__} {failure.code}".strip())
        return LOOK_EVERY_S

    def _say(self, doing: str, trouble: str = "") -> None:
        self.report.at, self.report.doing, self.report.trouble = time.time(), doing, trouble
        path = Path(settings.DATA_DIR) / STATUS_FILE
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(self.report)))
        os.replace(fresh, path)


def watch(is_over: Callable[[], bool]) -> None:
    """Watch this host until `is_over`."""
    from rodcorp.databases.sync import rowversions

    Watcher(rowversions.primary_source()).run(is_over)
