"""The unit of work: the only way anything is written.

A unit is one transaction on the active database. Everything random or timed in it derives from its
key, so that running it again makes the same rows. It has no effect but rows; what must follow is
an outbox row, sent after commit.
"""

import hashlib
import itertools
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone

from rodcorp.actors import Actor
from rodcorp.databases import results
from rodcorp.databases.current import current_unit, open_now
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.ids import NAMESPACE
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.router import active_alias
from rodcorp.databases.sessions import drop
from rodcorp.databases.stamps import data_changed
from rodcorp.errors import InvalidInput, KeyReused, RodCorpError

T = TypeVar("T")

MAX_KEY_LENGTH = 200

# How often a unit runs again on the same side before its caller hears of it.
RETRIES = 3

logger = logging.getLogger(__name__)


@dataclass
class Unit:
    """The open unit of work. Ids, tokens and the time come from here, not from the clock or the
    random generator."""

    id: UUID
    operation: str
    actor: Actor
    alias: str
    now: datetime
    # between the end of its work and the end of its transaction
    is_committing: bool = False
    is_marked: bool = False
    result: Any = field(default=None, repr=False)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def new_id(self) -> UUID:
        return uuid5(self.id, str(next(self.numbers)))

    def new_token(self) -> str:
        """256 bits that only the holder of the unit's key could derive again."""
        return hashlib.sha256(f"{self.id}/token/{next(self.numbers)}".encode()).hexdigest()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the transaction is committed. For wake-ups only: whatever must
        happen is a row."""
        transaction.on_commit(callback, using=self.alias, robust=True)


def open_unit() -> Unit:
    """The open unit; a write outside one is a programming error."""
    unit = current_unit()
    if unit is None:
        raise RuntimeError("This writes to the company's data, so it must run in a unit of work.")
    return unit


class _DryRun(Exception):
    pass


class _AlreadyCommitted(Exception):
    pass


def run_in_unit(
    fn: Callable[[Unit], T],
    *,
    actor: Actor,
    operation: str,
    key: str | None = None,
    body: object = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> T:
    """Run `fn` as one unit of work and return its result once that is committed.

    Inside an open unit it joins: one transaction, one `now`, and a failure undoes only this part.
    With a `key` the unit takes effect once for this actor and operation: the same key with the
    same `body` returns the first result, with another body it raises `KeyReused`. `now` dates the
    rows of an import or a replay. A dry run does everything, then undoes it.

    After a deadlock, a lock that took too long or a throttled request it runs again, at most three
    times, so `fn` must not change what it was given. A commit that ends without an answer is asked
    about by inserting the marker again; if the database does not answer, the error is raised.
    """
    outer = current_unit()
    started = now or (outer.now if outer else timezone.now())
    unit_id = _unit_id(actor, operation, key, outer)

    def begun() -> Unit:
        alias = outer.alias if outer else active_alias()
        return Unit(id=unit_id, operation=operation, actor=actor, alias=alias, now=started)

    body_hash = results.digest(body) if key else None
    if outer:
        unit = begun()
        if outer.id == unit.id:
            unit.numbers = outer.numbers
        return _run_once(fn, unit, body_hash, dry_run=dry_run)
    return _run_until_known(lambda unit: _run_once(fn, unit, body_hash, dry_run=dry_run), begun)


def _run_until_known(run: Callable[[Unit], T], begun: Callable[[], Unit]) -> T:
    """Run again, under the same id, what a deadlock or a wait for a lock has undone; and find out
    about a commit that ended without an answer."""
    finished: list[T] = []
    for attempt in itertools.count(1):
        unit = begun()
        inside = transaction.get_connection(unit.alias).in_atomic_block
        try:
            return run(unit)
        except RodCorpError:
            raise
        except _AlreadyCommitted:
            # the attempt before was carried out after all, too late for its answer to be heard
            data_changed()
            return finished[-1]
        except Exception as error:
            phase = Phase.COMMITTING if unit.is_committing else Phase.WRITING
            failure = classify(error, phase)
            can_ask = failure.kind is Kind.OUTCOME_UNKNOWN and unit.is_marked
            if inside or attempt > RETRIES or not (can_ask or failure.kind is Kind.TRANSIENT):
                raise
            logger.warning("%s: %s after attempt %s", unit.operation, failure.code, attempt)
        # outside the `except`: the next error must not carry this one along
        if failure.drops_connection:
            drop(unit.alias)
        if can_ask:
            if unit.is_committing:
                finished.append(unit.result)
            if _was_committed(unit):
                # Django's own callbacks are lost with the answer; the outbox sweep sends the jobs
                data_changed()
                return finished[-1]
        time.sleep(failure.wait_s or _jitter(attempt))
    raise AssertionError("unreachable")


def _run_once(fn: Callable[[Unit], T], unit: Unit, body_hash: str | None, *, dry_run: bool) -> T:
    is_outermost = current_unit() is None
    token = open_now.set(unit)
    try:
        with transaction.atomic(using=unit.alias):
            # SQL Server's commit can end without an answer; the marker is the way to ask
            if body_hash or (is_outermost and unit.alias == MSSQL):
                result = _marked(fn, unit, body_hash)
            else:
                result = fn(unit)
            if dry_run:
                raise _DryRun
            if is_outermost:
                unit.after_commit(data_changed)
            unit.result = result
            unit.is_committing = True
    except _DryRun:
        pass
    except _AlreadyCommitted:
        if body_hash is None:
            raise
        stored: T = _stored_result(unit, body_hash)
        return stored
    finally:
        open_now.reset(token)
    return result


def _was_committed(unit: Unit) -> bool:
    """Ask by inserting the marker again: unlike a look-up, it waits for a commit under way.

    Raises what the database says if it does not answer: then nobody knows.
    """
    try:
        with transaction.atomic(using=unit.alias):
            _marker(unit, None).save(force_insert=True, using=unit.alias)
            raise _DryRun
    except _DryRun:
        return False
    except Exception as error:
        if classify(error, Phase.WRITING).kind is not Kind.DUPLICATE:
            raise
    return True


def _jitter(attempt: int) -> float:
    """Seconds: 10 to 20 ms, then twice that each time, so that two victims do not meet again."""
    return (1.0 + secrets.randbelow(1000) / 1000) * 0.01 * float(2 ** (attempt - 1))


def _unit_id(actor: Actor, operation: str, key: str | None, outer: Unit | None) -> UUID:
    if key is None:
        return outer.id if outer else uuid5(NAMESPACE, secrets.token_hex(32))
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"key must be text of 1 to {MAX_KEY_LENGTH} characters.", field="key")
    return uuid5(NAMESPACE, json.dumps([str(actor.kind), actor.id, operation, key]))


def _marked(fn: Callable[[Unit], T], unit: Unit, body_hash: str | None) -> T:
    marker = _marker(unit, body_hash)
    try:
        marker.save(force_insert=True, using=unit.alias)
    except IntegrityError as error:
        raise _AlreadyCommitted from error
    unit.is_marked = True
    result = fn(unit)
    if body_hash:
        marker.result = json.dumps(results.encode(result))
        marker.save(update_fields=["result"], using=unit.alias)
    return result


def _marker(unit: Unit, body_hash: str | None) -> UnitMarker:
    return UnitMarker(
        id=unit.id,
        operation=unit.operation,
        caller=f"{unit.actor.kind}:{unit.actor.id}"[:150],
        body_hash=body_hash or "",
        created_at=unit.now,
    )


def _stored_result(unit: Unit, body_hash: str | None) -> Any:
    marker = UnitMarker.objects.using(unit.alias).get(pk=unit.id)
    if marker.body_hash != body_hash:
        raise KeyReused(
            "This key was already used for another request; send a new key with a new request.",
            field="key",
        )
    return results.decode(json.loads(marker.result or "null"), alias=unit.alias)
