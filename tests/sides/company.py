"""A company on two files: the aliases `mssql`, `sqlite` and `local` for the time of a test."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from rodcorp.databases import configuration, failover, journal, pool, refusals, sides
from rodcorp.databases.configuration import LOCAL, SQLITE
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sessions import drop
from tests.sides.files import PRIMARY_FILE, configured
from tests.sides.link import Link


class Company:
    """Its link, its mode file and what is on either side."""

    def __init__(self, directory: Path, link: Link | None) -> None:
        self.directory = directory
        self.link = link

    @property
    def modes(self):
        return sides.mode_file()

    @property
    def mode(self):
        return str(self.modes.read().mode)

    def on(self, alias, model, **values):
        """How many such rows are on a side."""
        return model._base_manager.using(alias).filter(**values).count()

    def where(self, model, **values):
        """How many such rows there are: on the primary, on the copy."""
        drop(MSSQL)
        with self.link.open_for_a_look():
            return self.on(MSSQL, model, **values), self.on(SQLITE, model, **values)

    @contextmanager
    def writing_there(self):
        """Somebody else's host, which has the primary: units in here are written there."""
        side = sides.Side(MSSQL, 0)
        before, failover.current = failover.current, lambda: side
        try:
            yield
        finally:
            failover.current = before

    def journal(self):
        return journal.entries(connections[SQLITE], limit=100_000)


@cache
def _templates() -> Path:
    """Migrated once: an empty copy, an empty primary and a host's own file."""
    kept = tempfile.TemporaryDirectory(prefix="rodcorp-sides-")
    directory = Path(kept.name)
    _templates.kept = kept  # type: ignore[attr-defined]
    with aliases(configured(directory, None)):
        call_command("migrate", database=SQLITE, verbosity=0, interactive=False)
        call_command("migrate", database=LOCAL, verbosity=0, interactive=False)
        connections[SQLITE].cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(directory / configuration.SQLITE_FILE, directory / PRIMARY_FILE)
    with aliases(configured(directory, Link(directory))):
        refusals.install(connections[SQLITE])
        journal.install(connections[SQLITE])
        connections[SQLITE].cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return directory


def lay_out(directory: Path) -> dict[str, dict[str, Any]]:
    """Put fresh files into a directory; the DATABASES setting that goes with them."""
    for name in (configuration.SQLITE_FILE, configuration.LOCAL_FILE, PRIMARY_FILE):
        shutil.copy(_templates() / name, directory / name)
    return configured(directory, Link(directory))


@contextmanager
def aliases(wanted: dict[str, dict[str, Any]]):
    """These databases and no others inside the block."""
    complete = connections.configure_settings(wanted)
    before = dict(connections.settings)
    connections.close_all()
    for alias in {*before, *complete} - {"default"}:
        if hasattr(connections._connections, alias):
            del connections[alias]
    connections.settings.clear()
    connections.settings.update(complete)
    try:
        yield
    finally:
        connections.close_all()
        for alias in {*before, *complete} - {"default"}:
            if hasattr(connections._connections, alias):
                del connections[alias]
        connections.settings.clear()
        connections.settings.update(before)


@contextmanager
def company_on_two_sides(directory: Path, monkeypatch: Any):
    wanted = lay_out(directory)
    link = wanted[MSSQL]["LINK"]
    monkeypatch.setattr(settings, "DATA_DIR", directory)
    monkeypatch.setattr(failover, "probe", link.probe)
    with aliases(wanted):
        yield Company(directory, link)


@contextmanager
def company_on_a_server(directory: Path, monkeypatch: Any, **limits: str):
    """In the database that processes of tests find in their environment; its copy is empty."""
    wanted = configuration.databases(directory, {**os.environ, **limits})
    try:
        with aliases(wanted), monkeypatch.context() as patch:
            patch.setattr(settings, "DATA_DIR", directory)
            patch.setattr(settings, "DATABASES", wanted)
            call_command("migrate", verbosity=0, interactive=False)
            yield Company(directory, None)
    finally:
        # the next database of that name is another
        pool.clear()
