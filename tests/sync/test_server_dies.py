"""A real server is killed, or hangs, while processes write; then it is back."""

import time
from collections import Counter

import pytest

from agents.models import Agent
from agents.services.registry import register_agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from rodcorp.actors import Actor
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.sessions import drop
from rodcorp.databases.sync.compare import compare
from rodcorp.databases.sync.rowversions import primary_source
from rodcorp.databases.sync.watcher import last_report
from tests.processes import wait_for
from tests.sides.company import company_on_a_server
from tests.sides.dying import PATIENCE_S, mortal_server, needs_a_server_to_kill
from tests.sides.running import processes

pytestmark = needs_a_server_to_kill

PROCESSES = 4
# far more than they get to write
UNITS = 100_000
# acknowledged on a side, by each, before the test goes on
SOME = 10
# What was sent to a server in the moment it hangs waits three of the latter, in seconds.
LIMITS = {"MSSQL_CONNECT_TIMEOUT": "2", "MSSQL_LOCK_TIMEOUT": "1", "MSSQL_QUERY_TIMEOUT": "2"}


@pytest.fixture
def company(home_of_processes, monkeypatch, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        company_on_a_server(home_of_processes, monkeypatch, **LIMITS) as company,
    ):
        register_agent(
            actor=Actor.system("test"), name="Paid", machine_hostname="h", machine_ip="::1"
        )
        yield company


@pytest.fixture
def server(company):
    with mortal_server() as server:
        yield server


@pytest.fixture
def writers(company, server):
    """They write until the test ends them, and a watcher keeps the copy warm."""
    with processes(company.directory, **LIMITS) as start:
        watcher = start("manage.py", "databases", "watch", "--with-parent")
        wait_for(lambda: (report := last_report()) and report.pid == watcher.pid and report.pulls)
        module = ["-m", "tests.sides.writer"]
        yield [
            start(*module, f"w{number}", UNITS, 0, "--on-server", "--paying", "Paid")
            for number in range(PROCESSES)
        ]


def until_all_write(writers, side):
    """Each of them, on that side, from now on."""
    before = [len(writer.said()) for writer in writers]

    def all_do():
        assert all(writer.is_busy for writer in writers), [w.trouble() for w in writers]
        answers = [writer.said()[seen:] for writer, seen in zip(writers, before, strict=True)]
        return all(sum(one.get("on") == side for one in each) >= SOME for each in answers)

    wait_for(all_do, PATIENCE_S)


def until_home(company):
    wait_for(lambda: company.mode == "primary" and not company.journal(), PATIENCE_S)


def check(company, writers):
    """Everything acknowledged is on the server, once, and the copy is the same."""
    answers = [answer for writer in writers for answer in writer.end()]
    assert [answer for answer in answers if "failed" in answer] == []
    acknowledged = Counter(answer["id"] for answer in answers)
    assert set(acknowledged.values()) == {1}
    drop("mssql")
    until_home(company)
    held = Agent.objects.using("mssql").exclude(name="Paid").values_list("pk", flat=True)
    assert sorted(map(str, held)) == sorted(acknowledged)
    assert company.on("mssql", UnitMarker, operation="test") == len(acknowledged)
    assert company.on("mssql", RodCoinsTransaction) == len(acknowledged)
    wallet = LedgerAccount.objects.using("mssql").get(agent__name="Paid", kind="wallet")
    assert wallet.balance == len(acknowledged)
    assert company.on("mssql", Conflict) == 0

    def the_same():
        found = list(compare(primary_source()))
        assert [one for one in found if one.differing] == []
        return not any(one.moving for one in found)

    wait_for(the_same)


def test_nothing_is_lost_and_nobody_notices_when_the_server_is_killed(server, company, writers):
    until_all_write(writers, "mssql")
    server.kill()
    until_all_write(writers, "sqlite")
    server.bring_back()
    until_home(company)
    until_all_write(writers, "mssql")
    check(company, writers)


def test_nothing_is_lost_and_nobody_notices_when_the_server_hangs(server, company, writers):
    until_all_write(writers, "mssql")
    server.freeze()
    until_all_write(writers, "sqlite")
    server.bring_back()
    until_home(company)
    until_all_write(writers, "mssql")
    check(company, writers)


def test_a_server_that_dies_on_the_way_home_is_left_again(server, company, writers):
    until_all_write(writers, "mssql")
    server.freeze()
    until_all_write(writers, "sqlite")
    time.sleep(2)
    server.bring_back()
    wait_for(lambda: company.mode != "fallback", PATIENCE_S)
    server.kill()
    until_all_write(writers, "sqlite")
    server.bring_back()
    until_home(company)
    until_all_write(writers, "mssql")
    check(company, writers)
