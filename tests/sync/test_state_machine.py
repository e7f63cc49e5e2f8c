"""Two hosts that share a primary, and whatever may happen to them in any order. At the end, when
all is well again, every acknowledged unit is on the primary once or in the list of conflicts, the
books add up, and both copies are what the primary is.

The suite runs a few short stories. More and longer ones, 300 of 50 steps each:

    TWO_HOSTS=300x50 .venv/bin/python -m pytest tests/sync/test_state_machine.py
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError
from django.db import Error, OperationalError, connections
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.models import Agent
from agents.services.presence import heartbeat, sweep_liveness
from rodcorp.databases import eligibility, failover, fence, hosts, journal, sides, switching
from rodcorp.databases.management.commands import migrate
from rodcorp.databases.mode import Mode, ModeFile
from rodcorp.databases.models import Host as KnownHost
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.sessions import drop
from rodcorp.databases.sync import beacon, compare, healing
from rodcorp.databases.sync import watcher as watching
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Busy, KeyReused, RodCorpError, Unavailable
from tests.sides.files import PRIMARY_FILE
from tests.sides.source import FileVersions
from tests.sides.stepping.process import step, still_lives
from tests.sync.machine import books
from tests.sync.machine.deeds import ACTOR, DEEDS, Deed
from tests.sync.machine.host import COPY_FILE, Host, backup

HOSTS = st.integers(0, 1)
OFTEN = ["edit", "spend", "spend", "claim", "claim", "move", "move", "assign", "give", "say"]
DOING = st.tuples(st.sampled_from([*DEEDS, *OFTEN]), st.integers(0, 5), st.booleans())
MUCH = st.lists(DOING, min_size=2, max_size=6)
PHASES = st.sampled_from(["execute", "fetch", "commit_before", "commit_after", "connect"])
HOWS = st.sampled_from(["reset", "end", "hang", "deadlock"])


def stops(many, few):
    """Before what, and how many of those are passed over."""
    often = ["primary execute", "copy execute", ""]
    seldom = [
        *("primary connect", "primary commit_before", "primary commit_after"),
        *("copy begin", "copy commit_before", "copy commit_after", "mode"),
    ]
    return st.one_of(
        st.tuples(st.sampled_from(seldom), st.integers(0, few)),
        st.tuples(st.sampled_from(often), st.integers(0, many)),
    )


# it has found its side, and nothing more
AT_THE_BEGINNING = st.sampled_from([("primary connect", 0), ("copy begin", 0)])
STOPS_OF_A_UNIT, STOPS_OF_A_WATCHER = AT_THE_BEGINNING | stops(20, 1), stops(120, 6)
HARMLESS_TROUBLE = (
    "OperationalError", "InterfaceError", "AlreadyLocked", "LockException", "Fenced",
)  # fmt: skip


class TwoHosts(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.directory = tempfile.TemporaryDirectory(prefix="rodcorp-machine-")
        self.root = Path(self.directory.name)
        self.hosts = [Host(self.root, 0), Host(self.root, 1)]
        shutil.copy(self.hosts[0].directory / PRIMARY_FILE, self.root / PRIMARY_FILE)
        self.deeds = []
        self.moments = self.attempts = 0
        self.safe = None
        self.ranks = {}
        self.revision = self.hosts[0].revision
        with self.hosts[0].here():
            FileVersions().install()
        for host in self.hosts:
            with host.here():
                host.start()
                hosts.register()
                host.step()
        first = ["register", "register", "register", "award", "award", "new_task", "offer", "chat"]
        self.do(0, [(operation, n, True) for n, operation in enumerate(first)])
        with self.hosts[1].here() as host:
            host.step()

    # --- what people and agents do ----------------------------------------------------------------
    @rule(number=HOSTS, what=MUCH)
    def do(self, number, what):
        with self.hosts[number].here() as host:
            for doing in what:
                self._carry_out(host, self._deed(*doing))

    @rule(number=HOSTS, here=MUCH, there=MUCH)
    def go_on_without_the_primary(self, number, here, there):
        """The other host may still have it."""
        self.hosts[number].link.cut()
        self.do(number, here)
        self.do(1 - number, there)

    @precondition(lambda self: any(deed.key for deed in self.deeds))
    @rule(number=HOSTS, which=st.integers(0, 30), other_body=st.booleans())
    def repeat(self, number, which, other_body):
        """The same unit again, under its key: here, where it was done, or on the other host."""
        host = self.hosts[number]
        keyed = [deed for deed in self.deeds if deed.key]
        deed = keyed[-1 - which % len(keyed)]
        with host.here():
            before = sides.current()
            knows = self._knows(host, before.alias, deed)
            attempts, answers = self.attempts, len(deed.answers)
            answer = self._carry_out(host, deed, other_body=other_body)
            if answer is None or not knows or sides.current().epoch != before.epoch:
                return
            assert other_body in deed.bodies, "it was used for something else"
            assert self.attempts == attempts, "it was done again"
            assert answer["attempt"] in deed.details
            known = deed.answers[:answers]
            assert answer in known or deed.is_open or deed.excuse or number != deed.host

    @rule(number=HOSTS, sweeps=st.booleans())
    def be_present(self, number, sweeps):
        """Away from the primary nobody is taken for gone."""
        with self.hosts[number].here(), self._what_may_be_refused():
            state = sides.mode_file().read()
            if sweeps:
                assert sweep_liveness(actor=ACTOR) == 0 or state.mode is Mode.PRIMARY
            elif not state.stopped and (
                agent := run_repeatable(lambda: Agent.objects.order_by("name").first())
            ):
                heartbeat(actor=ACTOR, agent=agent)
            drop("mssql")

    # --- what happens to the link -----------------------------------------------------------------
    @rule(number=HOSTS, is_there=st.booleans())
    def link(self, number, is_there):
        link = self.hosts[number].link
        link.mend() if is_there else link.cut()

    @rule(number=HOSTS, phase=PHASES, how=HOWS, after=st.integers(0, 12), cuts=st.booleans())
    def break_once(self, number, phase, how, after, cuts):
        """With `cuts` nobody answers any more from then on, as when a commit is carried out and its
        answer is lost."""
        self.hosts[number].link.fail(phase, how, after=after, cuts=cuts)

    # --- its watchers -----------------------------------------------------------------------------
    @rule(number=HOSTS, steps=st.integers(1, 4), mends=st.booleans(), by_two=st.booleans())
    def watch(self, number, steps, mends, by_two):
        """Perhaps somebody started a second one, and both work."""
        if mends:
            self.hosts[number].link.mend()
        with self.hosts[number].here() as host:
            second = host.new_watcher() if by_two else None
            for _ in range(steps):
                self._step(host)
                if second:
                    self._step(host, second)

    @rule(number=HOSTS, stop=STOPS_OF_A_WATCHER, kills=st.booleans())
    def stop_a_watcher_at_work(self, number, stop, kills):
        """On the way home, where there is one. If it is not killed it may go on some day; the next
        begins anew."""
        host = self.hosts[number]
        host.link.mend()
        with host.here():
            if sides.current().is_copy:
                for _ in range(2):
                    self._step(host)
            watcher = host.its_watcher()
            process = host.let_sleep(lambda: host.step(watcher), *stop)
            host.watcher = None
            if kills:
                host.kill(process)

    # --- processes that sleep ---------------------------------------------------------------------
    @rule(number=HOSTS, doing=DOING, stop=STOPS_OF_A_UNIT)
    def fall_asleep(self, number, doing, stop):
        """In the middle of a unit, its transaction open or not yet begun."""
        deed = self._deed(*doing)
        with self.hosts[number].here() as host:
            host.let_sleep(lambda: self._carry_out(host, deed), *stop)

    @rule(number=HOSTS, doing=DOING, stop=STOPS_OF_A_UNIT, here=MUCH, is_away=st.booleans())
    def sleep_through_an_outage(self, number, doing, stop, here, is_away):
        """While it sleeps the host goes away and comes home, and perhaps goes away again."""
        self.hosts[number].link.mend()
        self.fall_asleep(number, doing, stop)
        self.go_on_without_the_primary(number, here, [])
        self.watch(number, 3, True, False)
        if is_away:
            self.go_on_without_the_primary(number, here, [])

    @precondition(lambda self: any(host.asleep for host in self.hosts))
    @rule(which=st.integers(0, 5), stop=st.none() | STOPS_OF_A_WATCHER, kills=st.booleans())
    def wake(self, which, stop, kills):
        sleeping = [(host, process) for host in self.hosts for process in host.asleep]
        host, process = sleeping[which % len(sleeping)]
        with host.here():
            host.kill(process) if kills else host.wake(process, *(stop or ()))

    # --- what is rare -----------------------------------------------------------------------------
    @rule(
        number=HOSTS,
        what=st.one_of(
            st.tuples(st.just("set_the_clock"), st.sampled_from([-300, -70, -2, 0, 2, 70, 300])),
            st.tuples(st.just("restore_the_primary"), st.booleans()),
            st.tuples(st.just("put_an_old_copy_back"), st.booleans(), st.booleans(), st.booleans()),
            st.tuples(st.just("upgrade"), st.booleans()),
        ),
    )
    def meet_with(self, number, what):
        name, *details = what
        getattr(self, name)(number, *details)

    def set_the_clock(self, number, minutes):
        host = self.hosts[number]
        host.ahead_s = 60.0 * minutes
        host.link.clock_ahead_s = -host.ahead_s

    # --- files that go back in time ---------------------------------------------------------------
    def restore_the_primary(self, number, takes_backup):
        """All connections end. What was acknowledged since is gone from there; what a copy still
        holds must not be lost."""
        if takes_backup or self.safe is None:
            backup(self.root / PRIMARY_FILE, self.root / "backup.db")
            self.safe = books.units_on(self.root / "backup.db") - self._waiting()
            return
        for host in self.hosts:
            host.link.generation += 1
        for suffix in ("-wal", "-shm"):
            (self.root / f"{PRIMARY_FILE}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.root / "backup.db", self.root / "restored.db")
        os.replace(self.root / "restored.db", self.root / PRIMARY_FILE)
        self.ranks = {}
        waiting = self._waiting()
        for deed in self.deeds:
            if deed.unit is not None and deed.unit.hex not in self.safe | waiting:
                deed.excuse = deed.excuse or "the primary went back"
                for host in self.hosts:
                    known = books.units_on(host.directory / COPY_FILE)
                    if deed.is_acknowledged and deed.unit.hex in known and host.has_spoken:
                        host.owed.add(deed.unit.hex)

    @precondition(lambda self: any(host.is_stopped for host in self.hosts))
    @rule()
    def a_person_looks(self):
        for host in self.hosts:
            with host.here():
                self._resume(host)

    def put_an_old_copy_back(self, number, keeps, in_place, with_mode):
        """While nothing runs there. What only the newer file held is gone with it."""
        host = self.hosts[number]
        if keeps or host.kept is None:
            host.keep_copy()
            return
        with host.here():
            host.kill_all()
            waiting = books.journal_of(host.directory / COPY_FILE)
            for deed in self.deeds:
                if deed.unit is not None and deed.unit.hex in waiting:
                    deed.excuse = deed.excuse or "the copy went back"
            host.put_copy_back(in_place=in_place, with_mode=with_mode)
            host.owed.clear()
            host.untouched = None
            host.start()

    # --- new versions -----------------------------------------------------------------------------
    def upgrade(self, number, is_new):
        """To code with another schema: the copy first, then the primary, if no host may still
        bring home what was made for the old one."""
        host = self.hosts[number]
        if is_new:
            self.revision = f"revision {self._moment()}"
        if host.revision == self.revision:
            return
        host.kill_all()
        host.revision = self.revision
        with host.here(), self._what_may_be_refused(CommandError, Error, sqlite3.Error):
            # a table that is remade loses its triggers
            with connections["sqlite"].cursor() as cursor:
                cursor.execute('DROP TRIGGER IF EXISTS "rodcorp_update_GlobalAgentRegistry"')
            journal.install(connections["sqlite"])
            with host.link.open_for_a_look():
                hindering = self._those_with_changes()
            migrate._require_primary()
            assert not hindering
        with host.here():
            drop("mssql")

    # --- at every moment --------------------------------------------------------------------------
    @invariant()
    def a_task_never_goes_back(self):
        if not hasattr(self, "hosts"):
            return
        now = books.ranks(self.root)
        for key, rank in now.items():
            assert rank >= self.ranks.get(key, rank)
        self.ranks = now

    @invariant()
    def a_stopped_hosts_copy_stays_as_it_was(self):
        for host in getattr(self, "hosts", ()):
            if not host.is_stopped:
                host.untouched = None
                continue
            found = host.fingerprint()
            if host.untouched is None:
                host.untouched = found
            assert found == host.untouched

    # --- how --------------------------------------------------------------------------------------
    def _deed(self, operation, variant, has_key):
        number = len(self.deeds) + 1
        deed = Deed(number, operation, f"unit-{number}" if has_key else None, variant)
        self.deeds.append(deed)
        return deed

    def _moment(self):
        self.moments += 1
        return self.moments

    def _carry_out(self, host, deed, *, other_body=False):
        """Its answer, or None when it was refused."""
        began, attempts = self._moment(), self.attempts
        was_open, deed.is_open = deed.is_open, True
        if not deed.is_acknowledged:
            deed.host = host.number

        def work(unit):
            self.attempts += 1
            deed.unit = unit.id
            deed.bodies.add(other_body)
            attempt = self.attempts
            deed.details[attempt] = {**deed.do(unit), "host": host.number}
            # without a key, what changes nothing leaves no marker
            deed.has_written = bool(unit.touched) or deed.key is not None
            deed.is_behind = self._is_behind(unit)
            return {"attempt": attempt}

        try:
            answer = run_in_unit(
                work,
                actor=deed.actor,
                operation=deed.operation,
                key=deed.key,
                body={"other": other_body},
            )
        except KeyReused:
            assert deed.bodies - {other_body}
            deed.is_open = was_open
            return None
        except RodCorpError as error:
            deed.is_open = was_open or "has not said" in str(error)
            self._may_be_refused(host, error)
            return None
        finally:
            drop("mssql")
        deed.is_open = was_open
        deed.answers.append(answer)
        if answer["attempt"] > attempts:
            assert not (deed.is_behind and deed.has_written), "it was written behind a switch"
            # done again elsewhere under its key it counts from either time
            deed.began, deed.ended = deed.began or began, self._moment()
        return answer

    def _is_behind(self, unit):
        """Whether the copy was closed since the unit began, or the way home from it."""
        if unit.side.is_copy:
            return fence.read(connections["sqlite"]) != (True, unit.side.epoch)
        own = KnownHost.objects.using("mssql").filter(pk=sides.mode_file().host_id())
        return own.filter(epoch__gt=unit.side.epoch).exists()

    def _may_be_refused(self, host, error):
        """By a rule of the company, or for a reason that has nothing to do with a switch."""
        if isinstance(error, Busy):
            assert self._somebody_is_in_the_way(host), error
        if isinstance(error, Unavailable):
            text = str(error)
            assert (
                sides.mode_file().read().stopped
                or "has not said" in text
                or ("may not stand in" in text and self._is_incomplete(host))
                or ("changed" in text and self._is_older(host))
            ), error

    def _somebody_is_in_the_way(self, host):
        return any(each.asleep for each in self.hosts) or host.link.struck("deadlock", "hang")

    def _is_incomplete(self, host):
        seen = sides.mode_file().has_seen_primary()
        return eligibility.reason_against(connections["sqlite"], has_seen_primary=seen)

    def _is_older(self, host):
        """Whether its mode file was put back and nobody has noticed yet."""
        state = sides.mode_file().read()
        own = KnownHost.objects.using("mssql").filter(pk=sides.mode_file().host_id())
        with host.link.open_for_a_look():
            return own.filter(epoch__gt=state.epoch).exists()

    @contextlib.contextmanager
    def _what_may_be_refused(self, *kinds):
        try:
            yield
        except (Unavailable, *kinds):
            drop("mssql")
        except OperationalError:
            assert any(each.asleep for each in self.hosts)
            drop("mssql")
        except RodCorpError:
            drop("mssql")

    def _knows(self, host, alias, deed):
        if deed.unit is None:
            return False
        with host.link.open_for_a_look():
            known = UnitMarker.objects.using(alias).filter(pk=deed.unit).exists()
        drop("mssql")
        return known

    def _step(self, host, watcher=None):
        watcher = watcher or host.its_watcher()
        host.step(watcher)
        drop("mssql")
        kind, _, code = watcher.report.trouble.partition(" ")
        is_known = kind in HARMLESS_TROUBLE or code in ("08S01", "HYT00")
        assert is_known or not kind.endswith(("Error", "Exception", "DoesNotExist")), kind

    def _resume(self, host):
        if sides.mode_file().read().stopped:
            kept = beacon.accept_restored()
            host.owed -= books.units_on(kept)

    def _waiting(self):
        """The units whose changes wait on some host."""
        return set().union(*(books.journal_of(each.directory / COPY_FILE) for each in self.hosts))

    def _those_with_changes(self):
        """By what they said last."""
        others = KnownHost.objects.using("mssql").exclude(pk=sides.mode_file().host_id())
        return list(others.exclude(journal_rows=0))

    # --- in the end -------------------------------------------------------------------------------
    def teardown(self):
        if not hasattr(self, "hosts"):
            return
        try:
            self._quiesce()
            self._check()
        finally:
            for host in self.hosts:
                with host.here():
                    host.kill_all()
                    sides.mode_file().close()
            self.directory.cleanup()

    def _quiesce(self):
        for host in self.hosts:
            host.link.mend()
        for host in self.hosts:
            with host.here():
                for process in list(host.asleep):
                    if not process.has_ended:
                        host.wake(process)
        for _ in range(2):
            for host in self.hosts:
                with host.here():
                    self._lead_home(host)

    def _lead_home(self, host):
        for _ in range(40):
            self._step(host)
            self._resume(host)
            if sides.mode_file().read().mode == "primary":
                break
        for _ in range(2):
            self._step(host)
            self._resume(host)

    def _check(self):
        for host in self.hosts:
            with host.here():
                state = sides.mode_file().read()
                assert (state.mode, state.stopped) == ("primary", ""), host.its_watcher().report
                assert journal.count(connections["sqlite"]) == 0
                assert not self._is_incomplete(host)
                books.copies_are_the_primary()
                assert [one for one in compare.compare(FileVersions()) if one.differing] == []
                books.books_add_up("sqlite")
                # what it held that the primary lost is put aside, or was done again
                assert host.owed <= books.units_on(self.root / PRIMARY_FILE)
        with self.hosts[0].here():
            told = books.Told()
            books.everything_acknowledged_is_there_or_told(self.deeds, told)
            books.nothing_took_effect_twice(self.deeds, told)
            books.the_last_edit_stands(self.deeds, told)
            books.one_has_the_claim(self.deeds, told)
            books.books_add_up("mssql")
            books.overdrafts_are_told()
            books.tasks_are_in_a_legal_state()


LONG = os.environ.get("TWO_HOSTS")
EXAMPLES, STEPS = map(int, (LONG or "10x25").split("x"))

SETTINGS = how(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=not LONG,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.usefixtures("_unguarded")
def test_two_hosts_and_whatever_may_happen_to_them(monkeypatch):
    monkeypatch.setattr(failover, "FRESH_S", 0.0)
    monkeypatch.setattr(failover, "TRUSTED_S", 0.0)
    monkeypatch.setattr(watching, "BEACON_EVERY_S", -1.0)
    monkeypatch.setattr(healing, "TAIL_DEADLINE_S", 10.0)
    monkeypatch.setattr(switching, "LOCK_TIMEOUT_S", 0.0)
    monkeypatch.setattr(migrate, "is_behind", lambda alias: True)
    no_waiting = {**vars(failover.time), "sleep": lambda seconds: None}
    monkeypatch.setattr(failover, "time", SimpleNamespace(**no_waiting))
    _let_processes_stop_at_the_mode_file(monkeypatch)
    run_state_machine_as_test(TwoHosts, settings=SETTINGS)


def _let_processes_stop_at_the_mode_file(monkeypatch):
    change, connection, open_ = ModeFile.change, ModeFile._connection, ModeFile._open

    def stopping(self, *arguments):
        step("mode")
        return change(self, *arguments)

    def living(self):
        still_lives()
        return connection(self)

    def opened(self):
        file = open_(self)
        file.execute("PRAGMA synchronous = OFF")
        return file

    monkeypatch.setattr(ModeFile, "_open", opened)
    monkeypatch.setattr(ModeFile, "change", stopping)
    monkeypatch.setattr(ModeFile, "_connection", living)


@pytest.fixture
def _unguarded(django_db_blocker):
    with django_db_blocker.unblock():
        yield
