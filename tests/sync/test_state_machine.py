"""Two hosts that share a primary, and whatever may happen to them in any order. At the end, when
all is well again, every acknowledged unit is on the primary once or in the list of conflicts, the
books add up, and both copies are what the primary is."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import connections
from django.db.models import Sum
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.models import Agent
from agents.services.presence import heartbeat
from agents.services.registry import register_agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins
from rodcorp.actors import Actor
from rodcorp.databases import failover, hosts, sides
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.sessions import drop
from rodcorp.databases.sync import watcher as watching
from rodcorp.databases.sync.images import row_of
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.sync.watcher import Watcher
from rodcorp.databases.units import _unit_id, run_in_unit
from rodcorp.errors import RodCorpError, Unavailable
from rodcorp.kit import rows
from tasks.models import Task
from tasks.services.creation import create_task
from tasks.services.work import update_task_status
from tests.sides.company import aliases, lay_out
from tests.sides.files import PRIMARY_FILE
from tests.sides.source import FileVersions

ACTOR = Actor.system("machine")
MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}
HOSTS = st.integers(0, 1)
PHASES = st.sampled_from(["execute", "fetch", "commit_before", "commit_after", "connect"])
HOWS = st.sampled_from(["reset", "end", "hang", "deadlock"])


class Host:
    """One machine: its files, its link and its watcher."""

    def __init__(self, root, number):
        self.directory = root / f"host{number}"
        self.directory.mkdir()
        self.wanted = lay_out(self.directory)
        self.wanted["mssql"]["NAME"] = str(root / PRIMARY_FILE)
        self.link = self.wanted["mssql"]["LINK"]
        self.now = 0.0
        self.watcher = None

    @contextlib.contextmanager
    def here(self):
        before = settings.DATA_DIR, failover.probe
        settings.DATA_DIR, failover.probe = self.directory, self.link.probe
        try:
            with aliases(self.wanted):
                yield self
        finally:
            settings.DATA_DIR, failover.probe = before

    def watch(self):
        """One step of its watcher, some seconds later."""
        self.now += 3
        if self.watcher is None:
            self.watcher = Watcher(FileVersions(), clock=lambda: self.now)
        self.watcher.step()


class TwoHosts(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.kept = tempfile.TemporaryDirectory(prefix="rodcorp-machine-")
        root = Path(self.kept.name)
        self.hosts = [Host(root, 0), Host(root, 1)]
        shutil.copy(self.hosts[0].directory / PRIMARY_FILE, root / PRIMARY_FILE)
        self.acknowledged = []
        self.number = 0
        with self.hosts[0].here():
            FileVersions().install()
        for host in self.hosts:
            with host.here():
                hosts.register()
                host.watch()

    def write(self, number, operation, work):
        """A unit with a key, which is acknowledged or refused."""
        self.number += 1
        key = f"unit-{self.number}"
        host = self.hosts[number]
        with host.here():
            try:
                run_in_unit(lambda unit: work(), actor=ACTOR, operation=operation, key=key)
            except RodCorpError:
                return
            finally:
                drop("mssql")
        self.acknowledged.append(_unit_id(ACTOR, operation, key, None))

    # --- what people and agents do ----------------------------------------------------------------
    @rule(number=HOSTS)
    def register(self, number):
        name = f"Agent-{self.number % 3}"
        self.write(
            number, "register", lambda: register_agent(actor=ACTOR, name=name, **MACHINE).name
        )

    @rule(number=HOSTS)
    def edit(self, number):
        team = f"team-{self.number}"

        def work():
            if agent := Agent.objects.order_by("name").first():
                rows.change(agent, team=team)

        self.write(number, "edit", work)

    @rule(number=HOSTS)
    def award(self, number):
        def work():
            if agent := Agent.objects.order_by("name").first():
                award_rodcoins(
                    actor=ACTOR, agent=agent, amount=7, description="x", transaction_type="earned"
                )

        self.write(number, "award", work)

    @rule(number=HOSTS)
    def new_task(self, number):
        def work():
            if agent := Agent.objects.order_by("name").first():
                create_task(actor=ACTOR, agent=agent, description="A task")

        self.write(number, "task", work)

    @rule(number=HOSTS, status=st.sampled_from(["in_progress", "completed", "cancelled"]))
    def move_task(self, number, status):
        def work():
            if task := Task.objects.order_by("created_at", "pk").first():
                update_task_status(actor=ACTOR, task=task, status=status)

        self.write(number, "move", work)

    @rule(number=HOSTS)
    def beat(self, number):
        with self.hosts[number].here(), contextlib.suppress(Unavailable):
            if agent := run_repeatable(lambda: Agent.objects.order_by("name").first()):
                heartbeat(actor=ACTOR, agent=agent)

    # --- what happens to them ---------------------------------------------------------------------
    @rule(number=HOSTS)
    def cut(self, number):
        self.hosts[number].link.cut()

    @rule(number=HOSTS)
    def mend(self, number):
        self.hosts[number].link.mend()

    @rule(number=HOSTS, phase=PHASES, how=HOWS, after=st.integers(0, 12))
    def break_once(self, number, phase, how, after):
        self.hosts[number].link.fail(phase, how, after=after)

    @rule(number=HOSTS, steps=st.integers(1, 4))
    def watch(self, number, steps):
        with self.hosts[number].here() as host:
            for _ in range(steps):
                host.watch()
            drop("mssql")

    @precondition(lambda self: self.number > 3)
    @rule(number=HOSTS)
    def kill_watcher(self, number):
        """The next one begins anew."""
        self.hosts[number].watcher = None

    # --- in the end -------------------------------------------------------------------------------
    def teardown(self):
        if not hasattr(self, "hosts"):
            return
        try:
            self._quiesce()
            self._check()
        finally:
            self.kept.cleanup()

    def _quiesce(self):
        for _ in range(3):
            for host in self.hosts:
                host.link.mend()
                with host.here():
                    for _ in range(30):
                        host.watch()
                        if sides.mode_file().read().mode == "primary":
                            break
                    host.watch()
                    drop("mssql")

    def _check(self):
        for host in self.hosts:
            with host.here():
                state = sides.mode_file().read()
                assert (state.mode, state.stopped) == ("primary", "")
                with connections["sqlite"].cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM rodcorp_journal")
                    assert cursor.fetchone() == (0,)
                for table, rule_ in rules().items():
                    there, here = (
                        {row.pk: row_of(row) for row in rule_.model._base_manager.using(alias)}
                        for alias in ("mssql", "sqlite")
                    )
                    assert here == there, table
        with self.hosts[0].here():
            marked = set(UnitMarker.objects.using("mssql").values_list("pk", flat=True))
            told = set(Conflict.objects.using("mssql").values_list("unit", flat=True))
            assert [unit for unit in self.acknowledged if unit not in marked | told] == []
            _books_add_up()


def _books_add_up():
    ledger = RodCoinsTransaction.objects.using("mssql")
    for account in LedgerAccount.objects.using("mssql").filter(agent__isnull=False):
        paid = ledger.filter(source=account).aggregate(sum=Sum("amount"))["sum"] or 0
        received = ledger.filter(target=account).aggregate(sum=Sum("amount"))["sum"] or 0
        assert account.balance == received - paid
    for agent in Agent.objects.using("mssql"):
        earned = ledger.filter(agent=agent, transaction_type="earned")
        reversed_ = ledger.filter(agent=agent, reverses__transaction_type="earned")
        total = (earned.aggregate(sum=Sum("amount"))["sum"] or 0) - (
            reversed_.aggregate(sum=Sum("amount"))["sum"] or 0
        )
        assert agent.total_rodcoins_earned == total
    for task in Task.objects.using("mssql").filter(status="cancelled"):
        key = f"{task.pk}/{task.round_number}"
        award = ledger.filter(source_kind="task", source_key=key).first()
        assert award is None or award.reversals.using("mssql").exists()


SETTINGS = how(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.usefixtures("_unguarded")
def test_two_hosts_and_whatever_may_happen_to_them(monkeypatch):
    monkeypatch.setattr(failover, "FRESH_S", 0.0)
    monkeypatch.setattr(failover, "TRUSTED_S", 0.0)
    monkeypatch.setattr(watching, "BEACON_EVERY_S", -1.0)
    no_waiting = {**vars(failover.time), "sleep": lambda seconds: None}
    monkeypatch.setattr(failover, "time", SimpleNamespace(**no_waiting))
    run_state_machine_as_test(TwoHosts, settings=SETTINGS)


@pytest.fixture
def _unguarded(django_db_blocker):
    with django_db_blocker.unblock():
        yield
