"""What to do when a database fails: start over where one was, switch to the copy and start over
there, or give up.

Nothing here repeats anything. `begin` says where to start, `settle` whether to start over; `units`
and `repeatable` do it.
"""

import logging
import secrets
import time
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connections

from rodcorp.databases import clock, eligibility, fence, journal, refusals
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failures import Check, Failure, Kind
from rodcorp.databases.mode import Mode
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.probe import Answer, log_in, probe
from rodcorp.databases.sides import Side, current, has_primary, mode_file
from rodcorp.errors import Busy, Unavailable

# How often something starts over after an error that passes by itself.
RETRIES = 3

# How often it starts over because the mode changed underneath; each of these is a switch.
MAX_SWITCHES = 20

# Seconds for which an answer of the primary is news. What begins later asks first, because a
# statement sent to a host that is gone waits for three query timeouts.
FRESH_S = 0.05

# Seconds for which somebody else's good probe makes a lost link this process's own trouble.
TRUSTED_S = 2.0

logger = logging.getLogger(__name__)


@dataclass
class Tries:
    """How often something has started over, and why."""

    passing: int = 0
    switches: int = 0
    was_trusted: bool = False

    def switched(self, failure: Failure) -> None:
        self.switches += 1
        if self.switches > MAX_SWITCHES:
            raise Unavailable(
                f"The active database changed {MAX_SWITCHES} times under this ({failure.code}); "
                "it was not written. Try again in a few seconds."
            )


class _News:
    """When the primary was last heard of, by any thread of this process."""

    at = float("-inf")

    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH_S

    def arrived(self) -> None:
        self.at = time.monotonic()


_news = _News()


def heard() -> None:
    """The primary just answered."""
    _news.arrived()


def begin(*, writes: bool = False) -> Side:
    """The side to begin on. A primary that was silent for a while is asked first, and left if it
    does not answer twice; raises `Unavailable` if the copy may not stand in, and to who `writes`
    while this host is stopped."""
    side = current()
    if writes and side.stopped:
        why = f"Nothing is written until a person has looked: {side.stopped}"
        raise Unavailable(why, retry_after_s=60)
    if not side.is_primary or _news.is_fresh():
        return side
    if knock().is_good or (answer := knock()).is_good:
        heard()
        return side
    assert answer.failure is not None
    if answer.is_configuration:
        return side  # connecting will say it in full
    switch_to_copy(side, answer.failure.code)
    return current()


def settle(failure: Failure, side: Side, tries: Tries) -> bool:
    """Whether what failed on this side is to start over, where `begin` says. Waits if the database
    wants to be left alone. Raises `Unavailable` if neither side can take it."""
    if failure.kind is Kind.FENCED:
        tries.switched(failure)
        reconcile()
        return True
    if not side.is_primary:
        return failure.kind is Kind.TRANSIENT and _once_more(failure, tries)
    judged = _judged(failure, side, tries)
    if judged is None:
        return True
    if judged.kind is Kind.TRANSIENT:
        if _once_more(judged, tries):
            return True
        # it lets us in, and yet this never works
        if Kind.UNAVAILABLE not in (failure.kind, failure.if_it_persists):
            return False
        judged = replace(judged, kind=Kind.UNAVAILABLE)
    if judged.kind is Kind.UNAVAILABLE:
        tries.switched(judged)
        switch_to_copy(side, judged.code)
        return True
    if judged.kind is Kind.CONFIGURATION:
        logger.critical("SQL Server refuses this host (%s); `databases doctor`", judged.code)
    if judged.kind is Kind.DUPLICATE:
        # Two units made the same row at once. On SQL Server that ends the loser's transaction
        # before its service can say what is wrong; run again it sees the row, and may lose another.
        return _once_more(judged, tries)
    return False


def _judged(failure: Failure, side: Side, tries: Tries) -> Failure | None:
    """What it is after a look at the primary, if it needs one; None: somebody else looked."""
    if failure.check is Check.NONE:
        return failure
    modes = mode_file()
    if modes.read().epoch != side.epoch:
        return None
    last = modes.last_probe(within_s=TRUSTED_S)
    if last is not None and last.is_good and not tries.was_trusted:
        tries.was_trusted = True
        return None
    return replace(failure, kind=_before_commit(failure.kind)).after_probe(look().failure)


def _before_commit(kind: Kind) -> Kind:
    """Who settles an unknown outcome knows already that nothing was committed."""
    return Kind.UNAVAILABLE if kind is Kind.OUTCOME_UNKNOWN else kind


def _once_more(failure: Failure, tries: Tries) -> bool:
    tries.passing += 1
    if tries.passing > RETRIES:
        return False
    time.sleep(failure.wait_s or jitter(tries.passing))
    return True


def busy(failure: Failure) -> Busy:
    """What the caller hears when something that passes by itself did not."""
    return Busy(
        f"The database is too busy ({failure.code}); this was not done. Try it again in a moment.",
        details={"retry_after_s": 1},
    )


def jitter(attempt: int) -> float:
    """Seconds: 10 to 20 ms, then twice that each time, so that two victims do not meet again."""
    return (1.0 + secrets.randbelow(1000) / 1000) * 0.01 * float(2 ** (attempt - 1))


def knock() -> Answer:
    """Whether the primary answers at all: one to two milliseconds where it does."""
    last = mode_file().last_probe(within_s=FRESH_S)
    if last is not None and last.is_good:
        return Answer.good()
    return _recorded(probe(settings.DATABASES[MSSQL]))


def look() -> Answer:
    """Whether the primary answers, lets us in, and takes writes."""
    answer = _recorded(probe(settings.DATABASES[MSSQL], log_in))
    if answer.state is not None:
        clock.note_offset(answer.state.clock_offset_s, answer.state.clock_error_s)
    return answer


def require_primary(what: str) -> None:
    """For what may only be done on the primary: it decides who may do what, or moves money for
    all hosts. Raises `Unavailable`."""
    if current().is_copy:
        raise Unavailable(
            f"{what} is only possible while SQL Server can be reached; this host is on its copy.",
            retry_after_s=60,
        )


def absence_is_evidence(grace_s: float) -> bool:
    """Whether somebody who was not seen can be taken for gone. Away from the primary, and for a
    while after each switch, other hosts may have seen them."""
    if not has_primary():
        return True
    state = mode_file().read()
    return state.mode is Mode.PRIMARY and time.time() - state.since > grace_s


def primary_is_available() -> bool:
    """Whether there is a primary that answers, lets us in and takes writes: asked now."""
    return has_primary() and look().is_good


def _recorded(answer: Answer) -> Answer:
    mode_file().record_probe(is_good=answer.is_good)
    return answer


def switch_to_copy(side: Side, reason: str) -> None:
    """Leave the primary, for all processes of this host; one of those who try does it. Raises
    `Unavailable` if the copy may not stand in."""
    modes = mode_file()
    if modes.read().epoch == side.epoch:
        require_copy(reason)
        if modes.change(Mode.FALLBACK, side.epoch, reason):
            logger.error("SQL Server is not usable (%s); the copy has taken over.", reason)
    # the fence is opened by the first who writes, in the transaction in which it does


def require_copy(reason: str) -> None:
    """Make sure that the copy may be written to and that nothing written to it can be missed."""
    copy = connections[SQLITE]
    seen = mode_file().has_seen_primary()
    if against := eligibility.reason_against(copy, has_seen_primary=seen):
        raise Unavailable(
            f"SQL Server is not usable ({reason}), and this host's copy may not stand in for it: "
            f"{against}. Try again in a few seconds."
        )
    if not journal.is_whole(copy):
        if journal.missing(copy):
            logger.warning("Triggers of the copy were missing; they are made anew.")
        refusals.put_back(copy)
        journal.install(copy)


def reconcile() -> None:
    """Finish what a switch leaves to whoever comes next."""
    modes, copy = mode_file(), connections[SQLITE]
    state, found = modes.read(), fence.read(copy)
    if state.mode is not Mode.PRIMARY and found.epoch < state.epoch:
        fence.open_if_lower(copy, state.epoch)
    elif state.mode is Mode.HEALING and found == (False, state.epoch + 1):
        # it closed in the transaction that found nothing left to replay
        modes.change(Mode.PRIMARY, state.epoch, "a switch back that was under way was finished")
