"""This host's row on the primary: what keeps a process that slept through a switch from
committing behind it."""

import socket

from django.db import connections
from django.utils import timezone

from rodcorp.databases import eligibility
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
    now = timezone.now()
    known = Host.objects.using(MSSQL).filter(pk=modes.host_id()).exists()
    if not known and modes.beacons() != ("", ""):
        raise stop("SQL Server does not know this host any more; it may have been restored")
    Host.objects.using(MSSQL).get_or_create(
        pk=modes.host_id(),
        defaults={
            "name": socket.gethostname()[:100],
            "epoch": modes.read().epoch,
            "schema_revision": schema_revision(),
            "created_at": now,
        },
    )
    modes.note_primary_seen()
    eligibility.note_primary_seen(connections[SQLITE])


def raise_epoch(epoch: int) -> None:
    """From now on no unit of this host that began earlier can commit on the primary. Waits for
    those that are committing."""
    mine = Host.objects.using(MSSQL).filter(pk=mode_file().host_id(), epoch__lt=epoch)
    mine.update(epoch=epoch)
