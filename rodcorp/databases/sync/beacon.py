"""How this host notices that the primary was restored: every few seconds it writes a random word to
its own row there, and before it trusts what the primary says it looks whether the word is still
there.

A primary that went back in time lacks writes that were acknowledged; this host's copy may be the
only trace of them. So on a mismatch nothing is fed and nothing written until a person has looked.
"""

import logging
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases import clock, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.eligibility import schema_revision
from rodcorp.databases.hosts import beginning_of_window, stop
from rodcorp.databases.models import Host
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sides import mode_file
from rodcorp.databases.sync.feed import begin_anew
from rodcorp.databases.sync.source import ChangeSource

logger = logging.getLogger(__name__)


def verify(source: ChangeSource, cursor: int) -> None:
    """Raises `Restored`, after stopping this host, if the word of this host is not there, or if the
    copy knows versions that the primary has yet to give."""
    modes = mode_file()
    known = modes.beacons()
    about = Host.objects.using(MSSQL).filter(pk=modes.host_id())
    found, reported_at = about.values_list("beacon", "reported_at").first() or ("", None)
    # not yet, if it has just become another one, or a person has looked
    has_spoken = known != ("", "")
    if has_spoken and found not in known:
        raise stop("SQL Server does not have this host's last word; it may have been restored")
    if cursor >= source.low_water():
        raise stop("this host's copy is ahead of SQL Server, which may have been restored")
    if has_spoken and reported_at is not None and reported_at < beginning_of_window():
        _come_back()


def _come_back() -> None:
    """This host was silent for so long that what it would ask for may be gone: the markers of what
    the primary has of its journal already, and the tombstones of what was deleted."""
    copy = connections[SQLITE]
    if waiting := journal.count(copy):
        raise stop(
            f"this host said nothing for {settings.RODCORP_KEY_WINDOW_DAYS} days and holds "
            f"{waiting} changes that SQL Server may have or may not have"
        )
    logger.warning("This host said nothing for too long; its copy is filled anew.")
    fill_anew(copy)


def fill_anew(copy: BaseDatabaseWrapper) -> None:
    """Until a pull brought everything, this copy may not stand in."""
    with copy.cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL")
    begin_anew()


def write() -> None:
    """A new word, and how this host stands. It takes the place of the one that is there: several
    that never arrived must not make it unknown, nor may who slept through others undo theirs."""
    modes = mode_file()
    mine = Host.objects.using(MSSQL).filter(pk=modes.host_id())
    there = mine.values_list("beacon", flat=True).first()
    known = modes.beacons()
    # a word to a primary that does not know this host would look like a lost one later
    if there is None or (known != ("", "") and there not in known):
        return
    word = secrets.token_hex(16)
    modes.note_beacon(word, there)
    written = mine.filter(beacon=there).update(
        beacon=word,
        journal_rows=journal.count(connections[SQLITE]),
        schema_revision=schema_revision(),
        reported_at=clock.now(),
    )
    if written:
        modes.confirm_beacon(word)


def accept_restored() -> Path:
    """A person has decided that the primary counts as it is. The copy is put aside, as it may hold
    the only trace of what was acknowledged, and is filled anew; where it was put."""
    aside = Path(settings.DATA_DIR) / f"agent_system.aside-{int(time.time())}.db"
    copy = connections[SQLITE]
    copy.ensure_connection()
    with closing(sqlite3.connect(aside)) as file:
        copy.connection.backup(file)
    fill_anew(copy)
    modes = mode_file()
    # what it has yet to bring home may be numbered like something it brought before
    modes.become_another()
    modes.resume()
    return aside
