"""This host's row on the primary: what keeps a process that slept through a switch from
committing behind it."""

import contextlib
import hashlib
import socket
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Q

from rodcorp.databases import clock, eligibility, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.eligibility import schema_revision
from rodcorp.databases.models import Host
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sides import mode_file


class Restored(Exception):
    """The primary is not the one this host wrote to last; nothing is written any more."""


def stop(why: str) -> Restored:
    """Stop this host, because of what its primary says; to be raised."""
    mode_file().stop(f"{why}.")
    return Restored(why)


def register() -> None:
    """Make sure the primary knows this host, and this host that it has seen the primary. Raises
    `Restored` if it knew it once."""
    modes = mode_file()
    now = clock.now()
    known = Host.objects.using(MSSQL).filter(pk=modes.host_id()).exists()
    if not known and modes.beacons() != ("", ""):
        raise stop("SQL Server does not know this host any more; it may have been restored")
    host, _ = Host.objects.using(MSSQL).get_or_create(
        pk=modes.host_id(),
        defaults={
            "name": socket.gethostname()[:100],
            "epoch": modes.read().epoch,
            "schema_revision": schema_revision(),
            "created_at": now,
        },
    )
    copy = connections[SQLITE]
    if not journal.count(copy):
        journal.count_on_from(copy, host.replayed_sequence)
    is_older = journal.last_sequence(copy) < host.replayed_sequence
    if is_older or host.epoch > modes.read().epoch:
        raise stop("This host's files are older than what SQL Server has had from it")
    modes.note_primary_seen()
    eligibility.note_primary_seen(connections[SQLITE])


def identify() -> None:
    """Notice that the mode file or the copy is not the one this host wrote: the folder was copied
    to another machine or place, or the file was put back. Then this host is another one to the
    primary, and if the copy holds changes a person has to decide about them."""
    modes = mode_file()
    path = Path(connections[SQLITE].settings_dict["NAME"])
    about = [_machine_id(), str(path.resolve()), str(path.stat().st_ino)]
    if modes.identify(hashlib.sha256("\n".join(about).encode()).hexdigest()):
        return
    if waiting := journal.count(connections[SQLITE]):
        stop(
            f"this copy was put here from somewhere else and holds {waiting} changes that SQL "
            "Server may have or may not have"
        )


def _machine_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/etc/machine-id").read_text().strip()
    return socket.gethostname()


def beginning_of_window() -> datetime:
    """Since when all is kept that a host which was away asks for."""
    return clock.now() - timedelta(days=settings.RODCORP_KEY_WINDOW_DAYS)


def those_with_changes() -> list[Host]:
    """Hosts that said last that they have changes to bring home, or said nothing yet."""
    return list(Host.objects.using(MSSQL).exclude(journal_rows=0).order_by("name", "pk"))


def those_that_hinder(after: datetime) -> list[Host]:
    """Hosts that have changes to bring home, or have not said since then that they have none."""
    said_so = Q(journal_rows=0, reported_at__gt=after)
    return list(Host.objects.using(MSSQL).exclude(said_so).order_by("name", "pk"))


def forget(host_id: UUID) -> bool:
    """A host that will never come back. Whether it was known; this one is not forgotten."""
    others = Host.objects.using(MSSQL).exclude(pk=mode_file().host_id())
    return bool(others.filter(pk=host_id).delete()[0])


def raise_epoch(epoch: int) -> None:
    """From now on no unit of this host that began earlier can commit on the primary. Waits for
    those that are committing."""
    mine = Host.objects.using(MSSQL).filter(pk=mode_file().host_id(), epoch__lt=epoch)
    mine.update(epoch=epoch)
