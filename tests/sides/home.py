"""The way home, for tests whose units only insert: what is in the journal is copied to the file
that stands for the primary, and the fence closed, as the protocol says."""

import sqlite3
from contextlib import closing

from django.db import connections, transaction

from rodcorp.databases import fence, hosts, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.mode import Mode
from tests.sides.files import PRIMARY_FILE


def lead_home(company):
    """False if the mode is `primary` already."""
    modes, copy = company.modes, connections[SQLITE]
    state = modes.read()
    if state.mode is Mode.PRIMARY:
        return False
    if not modes.change(Mode.HEALING, state.epoch, "home"):
        return False
    epoch = state.epoch + 1
    hosts.register()
    hosts.raise_epoch(epoch)
    with transaction.atomic(using=SQLITE):
        entries = journal.entries(copy, limit=1_000_000)
        _copy(company.directory / PRIMARY_FILE, copy, entries)
        journal.forget(copy, [entry.sequence for entry in entries])
        fence.close(copy, epoch + 1)
    return modes.change(Mode.PRIMARY, epoch, "home")


def _copy(primary, copy, entries):
    with closing(sqlite3.connect(primary, timeout=30, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        for entry in entries:
            assert entry.operation in "IU", entry
            keys = {row[1]: row[5] for row in file.execute(f"PRAGMA table_info({entry.table})")}
            [key] = [name for name, is_key in keys.items() if is_key]
            with copy.cursor() as cursor:
                cursor.execute(f'SELECT * FROM "{entry.table}" WHERE "{key}" = %s', [entry.key])
                row = cursor.fetchone()
            places = ", ".join("?" * len(row))
            file.execute(f'INSERT OR IGNORE INTO "{entry.table}" VALUES ({places})', row)
        file.execute("COMMIT")
