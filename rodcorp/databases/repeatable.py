"""What may run twice: reading, and writing what is the same written twice."""

from collections.abc import Callable
from typing import TypeVar

from django.db import connections

from rodcorp.databases.current import current_unit
from rodcorp.databases.failover import Tries, begin, heard, settle
from rodcorp.databases.failures import Phase, classify
from rodcorp.databases.journal import as_presence
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import follow, has_primary, pinned, pinned_side
from rodcorp.errors import RodCorpError

T = TypeVar("T")


def run_repeatable(fn: Callable[[], T]) -> T:
    """Run `fn` with all its reads on one side, and run it again if that side fails: on the copy if
    the primary is gone. Inside a unit of work, or inside another of these, it simply runs."""
    if not has_primary() or current_unit() is not None or pinned_side() is not None:
        return fn()
    return _until_it_works(fn)


def repeat_part(fn: Callable[[], T]) -> T:
    """The same for the part that is left of something that must not run again as a whole."""
    return _until_it_works(fn)


def _until_it_works(fn: Callable[[], T]) -> T:
    tries = Tries()
    while True:
        failed: Exception | None
        with pinned(begin()) as pin:
            try:
                result = fn()
            except RodCorpError:
                raise
            except Exception as error:
                failed = error
            else:
                failed = None
        if failed is None:
            if pin.side.is_primary:
                heard()
            follow(pin.side)
            return result
        # outside the `except`: the next error must not carry this one along
        side, failure = pin.side, classify(failed, Phase.READING)
        if connections[side.alias].in_atomic_block:
            raise failed
        if failure.drops_connection:
            drop(side.alias)
        if not settle(failure, side, tries):
            raise failed


def write_presence(fn: Callable[[], T]) -> T:
    """Run `fn`, which notes when somebody was last seen: no unit of work, no history, and the
    later of two times stands whatever order they arrive in."""
    with as_presence():
        return run_repeatable(fn)
