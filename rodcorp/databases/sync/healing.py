"""The way home: the journal is replayed while writes go on, then its tail while the copy's write
lock is held, and the primary is the active side again.

Only the holder of the switch lock leads a host home. A link that breaks in between leads back to
`fallback`; what was replayed stays replayed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import connections, transaction

from rodcorp.databases import fence, holder, hosts, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.mode import Mode
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import mode_file
from rodcorp.databases.switching import only_one
from rodcorp.databases.sync.replay import Replay
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.sync.source import ChangeSource
from rodcorp.errors import Unavailable

# The tail is replayed while nobody can write here, so it is short, and given up when it is not.
TAIL_ESTIMATE_S = 0.1
TAIL_DEADLINE_S = 0.15

# Entries brought home at a time while writes go on, and while they do not.
BATCH = 500
TAIL_BATCH = 20

# Seconds by which each unit on the copy is slowed while the journal would not get shorter.
FIRST_PACE_S = 0.005
MAX_PACE_S = 0.25

# How often a tail that took too long is tried again before the way home is given up for now.
TAIL_ATTEMPTS = 20

logger = logging.getLogger(__name__)


class _TooLong(Exception):
    pass


@dataclass(frozen=True)
class Healed:
    """What the way home brought, and for how many seconds nobody could write at its end."""

    units: int
    conflicts: int
    quarantined: int
    frozen_s: float


class Healer:
    """`progress` is called with every unit, with how many changes were left at last."""

    def __init__(
        self, source: ChangeSource, *, progress: Callable[[int], None] = lambda left: None
    ) -> None:
        self.source, self._progress = source, progress
        # entries a second, measured
        self._speed = 0.0
        self._left = 0
        self._pace = 0.0

    def heal(self, reason: str) -> Healed | None:
        """Lead this host home. None if there is nothing to do, or if it was given up for now;
        raises what the primary says when it is gone. Either way the mode is `fallback` again."""
        modes = mode_file()
        with only_one():
            state = modes.read()
            if state.mode is Mode.PRIMARY:
                return None
            if state.stopped:
                why = f"Nothing is brought home until a person has looked: {state.stopped}"
                raise Unavailable(why, retry_after_s=60)
            if state.mode is Mode.FALLBACK:
                if not modes.change(Mode.HEALING, state.epoch, reason):
                    return None
                state = modes.read()
            try:
                healed = self._lead_home(state.epoch)
            except BaseException as error:
                self._give_up(state.epoch, type(error).__name__)
                raise
            finally:
                self._pace = 0.0
                modes.set_pace(0.0)
            if healed is None:
                self._give_up(state.epoch, "the tail stayed too long")
                return None
            modes.change(Mode.PRIMARY, state.epoch, reason)
            return healed

    def bring_strays(self) -> int:
        """In mode `primary`: replay what a process wrote that passed the fence just before it
        closed. How many units that were."""
        with only_one():
            state = mode_file().read()
            if state.mode is not Mode.PRIMARY:
                return 0
            hosts.register()
            hosts.raise_epoch(state.epoch)
            replay = Replay(self.source, state.epoch, self._alive)
            while journal.count(connections[SQLITE]):
                replay.run(BATCH)
            return replay.units

    def _alive(self) -> None:
        self._progress(self._left)

    def _give_up(self, epoch: int, why: str) -> None:
        closed = fence.read(connections[SQLITE]) == (False, epoch + 1)
        if not closed:
            mode_file().change(Mode.FALLBACK, epoch, f"the way home was given up: {why}")

    def _lead_home(self, epoch: int) -> Healed | None:
        drop(MSSQL)  # it may be from before the outage
        _require_columns()
        hosts.register()
        hosts.raise_epoch(epoch)
        replay = Replay(self.source, epoch, self._alive)
        for _ in range(TAIL_ATTEMPTS):
            self._shorten(replay)
            begun = time.perf_counter()
            try:
                self._close(replay, epoch)
            except _TooLong:
                continue
            frozen = time.perf_counter() - begun
            return Healed(replay.units, replay.conflicts, replay.quarantined, frozen)
        return None

    def _shorten(self, replay: Replay) -> None:
        """Replay while writes go on, until what is left can be replayed while they do not."""
        copy = connections[SQLITE]
        while (left := journal.count(copy)) and left / max(self._speed, 1.0) > TAIL_ESTIMATE_S:
            self._left, due = left, min(left, BATCH)
            begun = time.perf_counter()
            replay.run(BATCH)
            self._speed = due / max(time.perf_counter() - begun, 1e-6)
            if journal.count(copy) > left - due // 2:
                self._slow_down()

    def _slow_down(self) -> None:
        """Those who write on the copy. The pace stays until the way home has ended: taken back in
        between, the journal would grow again by what it had become shorter."""
        self._pace = min(max(2 * self._pace, FIRST_PACE_S), MAX_PACE_S)
        mode_file().set_pace(self._pace)

    def _close(self, replay: Replay, epoch: int) -> None:
        """With the copy's write lock: the rest, then the fence. Nobody can write behind it."""
        deadline = time.perf_counter() + TAIL_DEADLINE_S
        with transaction.atomic(using=SQLITE), holder.recorded(settings.DATA_DIR):
            while journal.count(connections[SQLITE]):
                replay.run_holding_the_copy(TAIL_BATCH)
                if time.perf_counter() > deadline:
                    raise _TooLong
            fence.close(connections[SQLITE], epoch + 1)


def _require_columns() -> None:
    """What was written here needs a place on the primary, and that is not migrated while a host has
    something to bring home."""
    primary = connections[MSSQL]
    lacking = []
    engines = {model._meta.db_table for model in (UnitMarker, Conflict)}
    for table in sorted(journal.tables(connections[SQLITE]) | engines):
        with primary.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {primary.ops.quote_name(table)} WHERE 1 = 0")
            there = {str(about[0]).lower() for about in cursor.description}
        columns = [str(field.column) for field in rules()[table].model._meta.concrete_fields]
        lacking += [f"{table}.{column}" for column in columns if column.lower() not in there]
    if lacking:
        raise Unavailable(
            f"SQL Server lacks columns that this version has ({', '.join(lacking)}), so nothing "
            "is brought home. Start the version it had before, and upgrade once it is home.",
            retry_after_s=60,
        )
