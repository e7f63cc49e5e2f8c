"""The unit of work: the only way anything is written.

A unit is one transaction on the active database. Everything random or timed in it derives from its
key, so that running it again makes the same rows. It has no effect but rows; what must follow is
an outbox row, sent after commit.

When the database fails under it, it runs again: on the same side, or on the copy once the primary
is lost. When a commit ends without an answer, its marker tells whether it took effect.
"""

import hashlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4, uuid5

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.actors import Actor
from rodcorp.databases import clock, fence, hosts, markers, results
from rodcorp.databases.current import current_unit, open_now
from rodcorp.databases.failover import RETRIES, Tries, begin, busy, heard, jitter, settle
from rodcorp.databases.failures import Check, Failure, Kind, Phase, classify
from rodcorp.databases.fields import SQLITE as SQLITE_VENDOR
from rodcorp.databases.ids import NAMESPACE
from rodcorp.databases.markers import AlreadyCommitted, HostUnknown
from rodcorp.databases.protection import wait_for_copy
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import NO_EPOCH, Side, follow
from rodcorp.databases.stamps import data_changed
from rodcorp.errors import InvalidInput, RodCorpError, Unavailable

T = TypeVar("T")

MAX_KEY_LENGTH = 200

# A marker lists the rows its unit wrote up to so many.
MAX_TOUCHED = 500

# What changes nothing; anything else a unit sends is taken for a write.
_READS = ("SELECT", "SAVE", "RELEASE", "ROLLBACK", "WITH", "PRAGMA")

logger = logging.getLogger(__name__)


@dataclass
class Unit:
    """The open unit of work. Ids, tokens and the time come from here, not from the clock or the
    random generator."""

    id: UUID
    operation: str
    actor: Actor
    side: Side
    now: datetime
    # the unit in whose transaction this one runs
    outer: "Unit | None" = None
    # an attempt before this one may have been committed
    may_be_second: bool = False
    # between the end of its work and the end of its transaction
    is_committing: bool = False
    is_marked: bool = False
    has_written: bool = False
    is_committed: bool = False
    result: Any = field(default=None, repr=False)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    changes: Any = field(default_factory=hashlib.sha256, repr=False)
    touched: dict[tuple[str, str], None] = field(default_factory=dict, repr=False)

    @property
    def alias(self) -> str:
        return self.side.alias

    @property
    def is_nested(self) -> bool:
        return self.outer is not None

    @property
    def outermost(self) -> "Unit":
        return self.outer.outermost if self.outer else self

    @property
    def has_primary(self) -> bool:
        """Whether there are two databases, so that this unit may be asked about, or repeated."""
        return self.side.epoch != NO_EPOCH

    @property
    def changes_digest(self) -> str:
        """Of the rows written so far: alike for two runs that did the same."""
        return str(self.changes.hexdigest())

    def note(self, operation: str, table: str, key: object, values: object) -> None:
        """What is written, for the marker of this unit and of those around it."""
        self.changes.update(repr((operation, table, str(key), values)).encode())
        self.touched[table, str(key)] = None
        if self.outer and self.outer.id != self.id:
            self.outer.note(operation, table, key, values)

    @property
    def touched_rows(self) -> str:
        """The rows written, by table, as JSON; empty if they are too many to list."""
        if len(self.touched) > MAX_TOUCHED:
            return ""
        listed: dict[str, list[str]] = {}
        for table, key in self.touched:
            listed.setdefault(table, []).append(key)
        return json.dumps(listed)

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


@contextmanager
def inside_open_transaction(unit: Unit) -> Iterator[None]:
    """For the engine: services called in here write into the transaction that is open on the
    unit's side already."""
    token = open_now.set(unit)
    try:
        yield
    finally:
        open_now.reset(token)


class _DryRun(Exception):
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
    times; when the primary is lost it runs again on the copy, under the same id. So `fn` must not
    change what it was given. A commit that ends without an answer is asked about by inserting the
    marker again. Raises `Unavailable` when no database can take it.
    """
    outer = current_unit()
    unit_id = _unit_id(actor, operation, key, outer)
    body_hash = results.digest(body) if key else None
    if outer:
        unit = Unit(unit_id, operation, actor, outer.side, now or outer.now, outer=outer)
        if outer.id == unit.id:
            unit.numbers, unit.changes = outer.numbers, outer.changes
            unit.touched = outer.touched
        return _run_once(fn, unit, body_hash, dry_run=dry_run)
    started = now

    def begun() -> Unit:
        nonlocal started
        side = begin(writes=True)
        # one time for all attempts
        started = started or clock.on(side)
        return Unit(unit_id, operation, actor, side, started)

    return _run_until_known(lambda unit: _run_once(fn, unit, body_hash, dry_run=dry_run), begun)


def _run_until_known(run: Callable[[Unit], T], begun: Callable[[], Unit]) -> T:
    """Run again, under the same id, what was not committed; and find out about a commit that ended
    without an answer."""
    tries = Tries()
    # of attempts that came as far as their commit; one that is known not to have happened may yet
    # be on the copy: a primary that was restored since does not know it any more
    finished: list[T] = []
    is_unknown = False
    while True:
        unit = begun()
        unit.may_be_second = bool(finished)
        inside = connections[unit.alias].in_atomic_block
        try:
            result = run(unit)
        except RodCorpError:
            raise
        except AlreadyCommitted:
            # the attempt before was carried out after all, too late for its answer to be heard
            data_changed()
            return finished[-1]
        except Exception as error:
            failed = error
        else:
            if unit.side.is_primary:
                heard()
                if unit.is_marked and unit.is_committed:
                    wait_for_copy(unit.id)
            follow(unit.side)
            _keep_pace(unit)
            return result
        # outside the `except`: the next error must not carry this one along
        if inside:
            raise failed
        if isinstance(failed, HostUnknown):
            try:
                hosts.register()
                continue
            except hosts.Restored as error:
                raise Unavailable(f"Nothing is written: {error}.", retry_after_s=60) from None
            except Exception as error:
                failed = error
        failure = classify(failed, Phase.COMMITTING if unit.is_committing else Phase.WRITING)
        if failure.drops_connection:
            drop(unit.alias)
        if unit.side.is_primary and unit.is_committing and unit.is_marked:
            # whatever it said, the commit may have happened
            finished.append(unit.result)
            known = _was_committed(unit)
            if known is True:
                # Django's own callbacks are lost with the answer; the outbox sweep sends the jobs
                data_changed()
                follow(unit.side)
                return finished[-1]
            is_unknown = is_unknown or known is not False
            if known is False:
                known = Failure(Kind.TRANSIENT, failure.code, if_it_persists=Kind.UNAVAILABLE)
            failure = known
        try:
            starts_over = settle(failure, unit.side, tries)
        except Unavailable as error:
            if is_unknown:
                raise _unknown() from error
            raise
        if not starts_over:
            if failure.kind is Kind.TRANSIENT:
                raise busy(failure) from failed
            raise failed
        logger.warning("%s: runs again after %s", unit.operation, failure.code or failure.kind)


def _keep_pace(unit: Unit) -> None:
    """While the copy is led home, not faster than it can be followed."""
    if unit.side.is_copy and unit.side.pace:
        time.sleep(unit.side.pace)


def _run_once(fn: Callable[[Unit], T], unit: Unit, body_hash: str | None, *, dry_run: bool) -> T:
    token = open_now.set(unit)
    try:
        with transaction.atomic(using=unit.alias):
            result = _run_in_transaction(fn, unit, body_hash)
            if dry_run:
                raise _DryRun
            if not unit.is_nested:
                unit.after_commit(lambda: _committed(unit))
            unit.result = result
            unit.is_committing = True
    except _DryRun:
        return result
    except AlreadyCommitted:
        if body_hash is None:
            raise
        stored: T = markers.stored_result(unit, body_hash)
        return stored
    finally:
        open_now.reset(token)
    if not (unit.is_nested or unit.is_committed or connections[unit.alias].in_atomic_block):
        # on SQL Server any error ends the transaction, whoever catches it
        raise transaction.TransactionManagementError(
            f"{unit.operation} caught a database error and went on; nothing of it was written."
        )
    return result


def _run_in_transaction(fn: Callable[[Unit], T], unit: Unit, body_hash: str | None) -> T:
    """The unit's work and its marker. A key's marker comes first, so that what was done already is
    not done again; else the last statement does, with the digest of what was written."""
    if not unit.has_primary:
        if body_hash is None:
            return fn(unit)
        return _marked_first(fn, unit, body_hash)
    connection = connections[unit.alias]
    if unit.is_nested:
        return fn(unit) if body_hash is None else _marked_first(fn, unit, body_hash)
    if unit.side.is_copy:
        fence.pass_through(connection, unit.side.epoch)
    if body_hash is not None or unit.may_be_second:
        return _marked_first(fn, unit, body_hash)
    with _noting_writes(unit, connection):
        result = fn(unit)
    if unit.has_written:
        markers.insert(unit, None)
        unit.is_marked = True
    return result


def _marked_first(fn: Callable[[Unit], T], unit: Unit, body_hash: str | None) -> T:
    markers.insert(unit, body_hash)
    unit.is_marked = True
    result = fn(unit)
    markers.finish(unit, result, with_result=body_hash is not None)
    return result


@contextmanager
def _noting_writes(unit: Unit, connection: BaseDatabaseWrapper) -> Iterator[None]:
    if connection.vendor == SQLITE_VENDOR:
        before = connection.connection.total_changes
        yield
        unit.has_written = connection.connection.total_changes != before
        return

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not unit.has_written and not sql.startswith(_READS):
            unit.has_written = True
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        yield


def _committed(unit: Unit) -> None:
    unit.is_committed = True
    data_changed()


def _was_committed(unit: Unit) -> bool | Failure:
    """Ask by inserting the marker again: unlike a look-up, it waits for a commit under way. A
    failure if the database does not answer that either.

    Raises `Unavailable` when the commit is still under way after a few waits: running the unit
    elsewhere could then do it twice.
    """
    for attempt in range(1, RETRIES + 1):
        try:
            with transaction.atomic(using=unit.alias):
                markers.insert(unit, None, guarded=False)
                raise _DryRun
        except _DryRun:
            return False
        except AlreadyCommitted:
            return True
        except Exception as error:
            failed = error
        failure = classify(failed, Phase.WRITING)
        if failure.drops_connection:
            drop(unit.alias)
        if failure.kind is not Kind.TRANSIENT or failure.check is not Check.NONE:
            return failure
        time.sleep(failure.wait_s or jitter(attempt))
    raise _unknown()


def _unknown() -> Unavailable:
    return Unavailable(
        "SQL Server has not said whether this was carried out; repeated with the same key it is "
        "carried out once."
    )


def _unit_id(actor: Actor, operation: str, key: str | None, outer: Unit | None) -> UUID:
    if key is None:
        return outer.id if outer else uuid4()
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"key must be text of 1 to {MAX_KEY_LENGTH} characters.", field="key")
    return uuid5(NAMESPACE, json.dumps([str(actor.kind), actor.id, operation, key]))
