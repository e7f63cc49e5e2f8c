"""One machine of the company: its files, its link, its clock, and who works on it."""

import contextlib
import os
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.utils import timezone

from rodcorp.databases import eligibility, failover, hosts, journal, sides
from rodcorp.databases.sessions import drop
from rodcorp.databases.sync import beacon
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.sync.watcher import Watcher
from tests.sides.company import aliases, lay_out
from tests.sides.files import PRIMARY_FILE
from tests.sides.source import FileVersions
from tests.sides.stepping.process import Process

COPY_FILE = "agent_system.db"
_true_time, _true_now = time.time, timezone.now


class Host:
    def __init__(self, root, number):
        self.root, self.number = root, number
        self.directory = root / f"host{number}"
        self.directory.mkdir()
        self.wanted = lay_out(self.directory)
        self.wanted["mssql"]["NAME"] = str(root / PRIMARY_FILE)
        self.wanted["sqlite"]["ENGINE"] = "tests.sides.stepping"
        for alias in ("mssql", "sqlite"):
            options = self.wanted[alias]["OPTIONS"]
            # who waits for somebody who is stopped waits for nothing
            options["timeout"] = 0.02
            options["init_command"] = options["init_command"].replace("=FULL", "=OFF")
        self.link = self.wanted["mssql"]["LINK"]
        self.link.clock_ahead_s = 0.0
        self.now = 0.0
        self.ahead_s = 0.0
        self.revision = eligibility.schema_revision()
        self.watcher = None
        # stopped in the middle of something, longest first
        self.asleep = []
        # units that are gone from the primary and that its copy has
        self.owed = set()
        # where copies were put when a person took the primary as it is
        self.aside = []
        self.kept = None
        # what a stopped host's copy must stay
        self.untouched = None

    @contextlib.contextmanager
    def here(self):
        """In here all code runs on this machine."""
        before = settings.DATA_DIR, failover.probe
        settings.DATA_DIR, failover.probe = self.directory, self.link.probe
        time.time = lambda: _true_time() + self.ahead_s
        timezone.now = lambda: _true_now() + timedelta(seconds=self.ahead_s)
        revisions = [eligibility, hosts, beacon]
        known = eligibility.schema_revision
        for module in revisions:
            module.schema_revision = lambda: self.revision
        try:
            with aliases(self.wanted):
                yield self
        finally:
            for module in revisions:
                module.schema_revision = known
            time.time, timezone.now = _true_time, _true_now
            settings.DATA_DIR, failover.probe = before

    @property
    def is_stopped(self):
        with closing(sqlite3.connect(self.directory / "mode.db")) as file:
            return bool(file.execute("SELECT stopped FROM mode").fetchone()[0])

    @property
    def has_spoken(self):
        """Whether the primary has a word of the host that this one is by now."""
        with closing(sqlite3.connect(self.directory / "mode.db")) as file:
            return bool(file.execute("SELECT beacon FROM host").fetchone()[0])

    # --- its watcher ------------------------------------------------------------------------------
    def step(self, watcher=None):
        """One step of its watcher, some seconds later; in `here`."""
        self.now += 3
        (watcher or self.its_watcher()).step()

    def its_watcher(self):
        if self.watcher is None:
            self.watcher = self.new_watcher()
        return self.watcher

    def new_watcher(self):
        return Watcher(FileVersions(), clock=lambda: self.now)

    # --- processes that sleep ---------------------------------------------------------------------
    def let_sleep(self, work, kind, after):
        """Begin `work` in a process of its own, which stops before such a step, if it comes to it;
        in `here`."""
        process = Process(work)
        self.asleep.append(process)
        try:
            process.run(kind, after)
        finally:
            self.forget_ended()
        return process

    def wake(self, process, kind=None, after=0):
        try:
            process.run(kind, after)
        finally:
            self.forget_ended()

    def kill(self, process):
        process.kill()
        self.forget_ended()

    def forget_ended(self):
        self.asleep = [each for each in self.asleep if not each.has_ended]

    def kill_all(self):
        for process in list(self.asleep):
            self.kill(process)
        self.watcher = None

    # --- its copy ---------------------------------------------------------------------------------
    def keep_copy(self):
        """A backup of its folder, as it is now."""
        self.kept = self.root / f"kept{self.number}"
        self.kept.mkdir(exist_ok=True)
        for name in (COPY_FILE, "mode.db"):
            target = self.kept / name
            target.unlink(missing_ok=True)
            backup(self.directory / name, target)

    def put_copy_back(self, *, in_place, with_mode):
        """Nobody works here meanwhile; in `here`. `in_place` the file stays the same to the
        system, as after a `cp`."""
        drop("mssql")
        connections["sqlite"].close()
        sides.mode_file().close()
        for name in [COPY_FILE, "mode.db"][: 1 + with_mode]:
            for suffix in ("-wal", "-shm", "-journal"):
                (self.directory / f"{name}{suffix}").unlink(missing_ok=True)
            content = (self.kept / name).read_bytes()
            if not in_place:
                # while the old one is there, the new one cannot get its number
                fresh = self.directory / f"{name}.new"
                fresh.write_bytes(content)
                os.replace(fresh, self.directory / name)
            else:
                (self.directory / name).write_bytes(content)

    def start(self):
        """What every start of the company looks at; in `here`."""
        hosts.identify()

    def waiting(self):
        """The units whose changes wait to be replayed, in `here`."""
        return {entry.unit for entry in journal.entries(connections["sqlite"], limit=100_000)}

    def fingerprint(self):
        """What the copy holds and has yet to bring home; in `here`."""
        with closing(sqlite3.connect(self.directory / COPY_FILE)) as file:
            tables = [*rules(), "rodcorp_journal"]
            return {
                table: sorted(map(repr, file.execute(f'SELECT * FROM "{table}"')))
                for table in tables
            }


def backup(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")
