"""A link that breaks while SQL Server commits: the caller gets an answer, and the row is there
once. Seen by the real driver, through the scripted endpoint."""

import os

import pytest

from agents.models import Agent
from rodcorp.databases import failover
from rodcorp.databases.stamps import data_stamp
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Unavailable
from rodcorp.kit import rows

try:
    import pyodbc  # noqa: F401
except ImportError as error:
    if os.environ.get("RODCORP_REQUIRE_ALL") == "1":
        raise
    MISSING = str(error)
else:
    MISSING = ""

pytestmark = [
    pytest.mark.tsql_driver,
    pytest.mark.skipif(bool(MISSING), reason=f"NOT TESTED: the scripted endpoint ({MISSING})"),
]

BREAKS = ["fin", "rst"]


@pytest.fixture
def server(tmp_path, django_db_blocker, monkeypatch):
    """SQL Server as the company's database, played by the endpoint. There is no copy that may
    stand in."""
    from tests.sides.server import company_on_a_server
    from tests.tds.driver import register

    register()
    monkeypatch.setattr(failover.time, "sleep", lambda seconds: None)
    with django_db_blocker.unblock(), company_on_a_server(tmp_path, monkeypatch) as endpoint:
        yield endpoint


@pytest.fixture
def register_agent(system):
    """A unit that inserts an agent; how often it ran."""

    def unit(name="Ada", **options):
        runs = []

        def work(unit):
            runs.append(unit.id)
            agent = Agent(name=name, project="p", machine_hostname="h", machine_ip="::1")
            return rows.insert(agent).name

        answer = run_in_unit(work, actor=system, operation="test", **options)
        return answer, runs

    return unit


def held(server, name="Ada"):
    return server.store.count("GlobalAgentRegistry", AgentName=name)


def test_a_unit_on_sql_server_leaves_a_marker_even_without_a_key(server, register_agent):
    register_agent()
    assert server.store.count("UnitMarkers") == 1


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_was_carried_out_is_not_repeated(server, register_agent, how, key):
    server.fail("commit_after", how, times=1)
    answer, runs = register_agent(key=key)
    assert (answer, len(runs), held(server)) == ("Ada", 1, 1)


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_was_lost_is_done_again(server, register_agent, how, key):
    server.fail("commit_before", how, times=1)
    answer, runs = register_agent(key=key)
    assert (answer, len(runs), held(server)) == ("Ada", 2, 1)
    assert len(set(runs)) == 1


def test_a_commit_that_hangs_and_is_carried_out_late_is_not_repeated(server, register_agent):
    server.fail("commit_after", "hang", times=1, seconds=20)
    answer, runs = register_agent()
    assert (answer, len(runs), held(server)) == ("Ada", 1, 1)


def test_when_nobody_answers_the_caller_hears_of_it_and_may_ask_again(server, register_agent):
    broken = server.fail("commit_after", "rst", times=1), server.fail("login", "rst")
    with broken[0], broken[1], pytest.raises(Unavailable):
        register_agent(key="k")
    answer, runs = register_agent(key="k")
    assert (answer, runs, held(server)) == ("Ada", [], 1)


def test_a_deadlocks_victim_runs_again(server, register_agent):
    deadlock = (1205, 45, 13, "The transaction was deadlocked and chosen as the victim.")
    server.fail("execute", "error", times=1, error=deadlock, matching="GlobalAgentRegistry")
    answer, runs = register_agent()
    assert (answer, len(runs), held(server)) == ("Ada", 2, 1)


def test_a_hundred_units_with_broken_commits_leave_a_hundred_rows(server, register_agent):
    for number in range(100):
        if number % 5 == 0:
            phase = "commit_after" if number % 2 else "commit_before"
            server.fail(phase, "rst", times=1)
        assert register_agent(f"agent-{number}")[0] == f"agent-{number}"
    assert server.store.count("GlobalAgentRegistry") == 100
    assert server.store.count("UnitMarkers") == 100


def test_a_commit_that_was_asked_about_still_moves_the_stamp(server, register_agent):
    before = data_stamp()
    server.fail("commit_after", "rst", times=1)
    register_agent()
    assert data_stamp() > before


def test_a_marker_reads_the_hosts_row_under_a_lock_of_its_transaction(server, register_agent):
    server.log.clear()
    register_agent()
    [sql] = [sql for sql in server.log.sql() if "INSERT INTO [UnitMarkers]" in sql]
    assert "FROM [Hosts] WITH (REPEATABLEREAD" in sql
    assert "[Epoch] <=" in sql


@pytest.mark.parametrize("phase", ["commit_before", "commit_after"])
def test_nobody_looks_for_a_marker(server, register_agent, phase):
    """A look-up can miss one that is about to be committed."""
    server.log.clear()
    server.fail(phase, "rst", times=1)
    register_agent(key="k")
    about = [sql for sql in server.log.sql() if "UnitMarkers" in sql]
    assert len([sql for sql in about if "INSERT INTO" in sql]) >= 2
    assert [sql for sql in about if "FROM [UnitMarkers]" in sql] == []
