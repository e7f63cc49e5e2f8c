"""Switching by hand, for maintenance."""

import portalocker
from django.conf import settings
from django.db import connections, transaction

from rodcorp.databases import fence, hosts, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failover import look, switch_to_copy
from rodcorp.databases.mode import Mode, State
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import current, has_primary, mode_file
from rodcorp.errors import Conflict, Unavailable

# Held by whoever leads a host back to the primary; only its holder leaves `healing`.
LOCK_FILE = "switch.lock"
LOCK_TIMEOUT_S = 10


def to_copy(reason: str) -> State:
    """Make the copy the active side. Raises `Unavailable` if it may not stand in."""
    _require_primary_configured()
    with only_one():
        side = current()
        if not side.is_primary:
            raise Conflict("The copy is the active side already.")
        switch_to_copy(side, reason)
    return mode_file().read()


def to_primary(reason: str) -> State:
    """Make the primary the active side, if nothing was written to the copy meanwhile. Raises
    `Conflict` if something was: it has to be replayed first."""
    _require_primary_configured()
    modes = mode_file()
    with only_one():
        state = modes.read()
        if state.mode is Mode.PRIMARY:
            raise Conflict("SQL Server is the active side already.")
        if (failure := look().failure) is not None:
            raise Unavailable(f"SQL Server is not usable ({failure.code}); nothing was switched.")
        if state.mode is Mode.FALLBACK and modes.change(Mode.HEALING, state.epoch, reason):
            state = modes.read()
        try:
            _hand_over(state.epoch)
        except BaseException:
            modes.change(Mode.FALLBACK, state.epoch, "the switch by hand was given up")
            raise
        modes.change(Mode.PRIMARY, state.epoch, reason)
    return modes.read()


def _hand_over(epoch: int) -> None:
    """Nobody can commit behind this: not on the primary, whose row of this host is raised first,
    and not on the copy, which is closed in the transaction that found nothing to replay."""
    copy = connections[SQLITE]
    drop(MSSQL)  # it may be from before the outage
    hosts.register()
    hosts.raise_epoch(epoch)
    with transaction.atomic(using=SQLITE):
        waiting = journal.count(copy)
        if waiting:
            raise Conflict(
                f"{waiting} changes on the copy have to be replayed on SQL Server first; nothing "
                "was switched.",
                details={"waiting": waiting},
            )
        fence.close(copy, epoch + 1)


def only_one() -> portalocker.Lock:
    return portalocker.Lock(
        settings.DATA_DIR / LOCK_FILE, "a", timeout=LOCK_TIMEOUT_S, check_interval=0.05
    )


def _require_primary_configured() -> None:
    if not has_primary():
        raise Conflict("No SQL Server is configured, so there is nothing to switch.")
