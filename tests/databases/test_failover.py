"""The switch to the copy: what the caller gets, which side holds the row, and how many times. Two
SQLite files stand for the two databases; the link to the first breaks below the ORM."""

import pytest
from django.db import Error, connections

from agents.models import Agent
from rodcorp.databases import failover
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Unavailable
from rodcorp.kit import rows


@pytest.fixture
def write(system):
    """A unit that inserts an agent: what it answered, and the ids under which it ran."""

    def unit(name="Ada", **options):
        runs = []

        def work(unit):
            runs.append(unit.id)
            agent = Agent(name=name, project="p", machine_hostname="h", machine_ip="::1")
            return str(rows.insert(agent).pk)

        answer = run_in_unit(work, actor=system, operation="test", **options)
        return answer, runs

    return unit


BEFORE_COMMIT = ["connect", "execute", "commit_before"]
ALWAYS = 10_000


def test_a_unit_is_written_to_the_primary_while_it_answers(company, write):
    write()
    assert company.where(Agent) == (1, 0)
    assert company.mode == "primary"


def test_a_unit_leaves_its_marker_on_the_primary(company, write):
    write()
    assert company.where(UnitMarker) == (1, 0)


def test_a_link_that_is_gone_moves_the_unit_to_the_copy(company, write):
    company.link.cut()
    write()
    assert company.mode == "fallback"
    assert company.where(Agent) == (0, 1)


@pytest.mark.parametrize("phase", BEFORE_COMMIT)
@pytest.mark.parametrize("how", ["reset", "end", "shutdown", "mute"])
def test_one_broken_connection_moves_nobody(company, write, phase, how):
    company.link.fail(phase, how)
    write()
    assert company.mode == "primary"
    assert company.where(Agent) == (1, 0)


@pytest.mark.parametrize("how", ["reset", "end", "shutdown", "read-only"])
@pytest.mark.parametrize("phase", ["execute", "commit_before"])
def test_what_never_works_on_the_primary_goes_to_the_copy(company, write, how, phase):
    company.link.fail(phase, how, times=ALWAYS)
    _, runs = write()
    assert company.where(Agent) == (0, 1)
    assert len(set(runs)) == 1


@pytest.mark.parametrize("how", ["reset", "end", "hang"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_was_carried_out_is_not_repeated(company, write, how, key):
    company.link.fail("commit_after", how)
    _, runs = write(key=key)
    assert (len(runs), company.where(Agent), company.mode) == (1, (1, 0), "primary")


@pytest.mark.parametrize("how", ["reset", "end", "hang"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_was_lost_is_done_again_where_it_was(company, write, how, key):
    company.link.fail("commit_before", how)
    _, runs = write(key=key)
    assert (len(runs), company.where(Agent), company.mode) == (2, (1, 0), "primary")
    assert len(set(runs)) == 1


@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_nobody_can_ask_about_is_done_on_the_copy_under_the_same_id(company, write, key):
    company.link.fail("commit_after", "reset", cuts=True)
    answer, runs = write(key=key)
    assert len(set(runs)) == 1
    company.link.mend()
    assert company.where(Agent) == (1, 1)
    assert company.where(UnitMarker, pk=runs[0]) == (1, 1)
    assert company.where(Agent, pk=answer) == (1, 1)


def test_two_runs_that_did_the_same_leave_the_same_digest(company, write):
    company.link.fail("commit_after", "reset", cuts=True)
    write()
    company.link.mend()
    sides = [UnitMarker.objects.using(alias).get().changes for alias in ("mssql", "sqlite")]
    assert sides[0] == sides[1] != ""


def test_two_runs_that_did_otherwise_leave_different_digests(company, system, write):
    """State-dependent: how many agents there are decides what is written."""

    def work(unit):
        count = Agent.objects.count()
        agent = Agent(name=f"A{count}", project="p", machine_hostname="h", machine_ip="::1")
        return rows.insert(agent).name

    write("Grace")
    company.link.fail("commit_after", "reset", cuts=True)
    assert run_in_unit(work, actor=system, operation="count", key="k") == "A0"
    company.link.mend()
    ours = UnitMarker.objects.using("sqlite").get()
    theirs = UnitMarker.objects.using("mssql").get(pk=ours.pk)
    assert theirs.changes != ours.changes


@pytest.mark.parametrize("how", ["deadlock", "lock"])
def test_a_victim_runs_again_where_it_was(company, write, how):
    company.link.fail("execute", how, matching="GlobalAgentRegistry")
    _, runs = write()
    assert (len(runs), company.where(Agent), company.mode) == (2, (1, 0), "primary")


def test_a_statement_that_is_always_too_slow_is_no_outage(company, write):
    company.link.fail("execute", "hang", matching="GlobalAgentRegistry", times=ALWAYS)
    with pytest.raises(Error, match="Query timeout expired"):
        write()
    assert company.mode == "primary"
    assert company.where(Agent) == (0, 0)


@pytest.mark.parametrize("how", ["password", "permission"])
def test_a_configuration_error_is_raised_and_never_fails_over(company, write, how):
    phase = "connect" if how == "password" else "execute"
    company.link.fail(phase, how, times=ALWAYS)
    with pytest.raises(Exception, match=r"Login failed|permission was denied"):
        write()
    assert company.mode == "primary"
    assert company.where(Agent) == (0, 0)


def test_on_the_copy_a_key_still_takes_effect_once(company, write):
    company.link.cut()
    first, _ = write(key="k")
    second, runs = write(key="k")
    assert (first, runs) == (second, [])


def test_a_switch_is_remembered_with_its_reason(company, write):
    company.link.cut()
    write()
    [switch] = company.modes.history()
    assert (switch.before, switch.mode, switch.reason) == ("primary", "fallback", "refused")


def test_what_is_written_on_the_copy_is_journaled_under_its_unit(company, write):
    company.link.cut()
    _, [unit] = write()
    entries = company.journal()
    assert {entry.unit for entry in entries} == {unit.hex}
    assert {"GlobalAgentRegistry", "GlobalAgentRegistryHistory"} == {
        entry.table for entry in entries
    }


def test_nothing_is_journaled_while_the_primary_is_used(company, write):
    write()
    assert company.journal() == []


def test_a_copy_that_was_never_filled_does_not_stand_in(company, write):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET complete_at = NULL")
    company.link.cut()
    with pytest.raises(Unavailable, match="never filled completely") as refused:
        write()
    assert refused.value.http_status == 503
    assert refused.value.details["retry_after_s"] > 0
    assert company.mode == "primary"


def test_a_copy_of_another_schema_does_not_stand_in(company, write):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET revision = 'older'")
    company.link.cut()
    with pytest.raises(Unavailable, match="another version of the schema"):
        write()


def test_triggers_that_are_missing_are_made_before_the_copy_is_written_to(company, write):
    connections["sqlite"].cursor().execute("DROP TRIGGER rodcorp_insert_GlobalAgentRegistry")
    company.link.cut()
    write()
    assert "GlobalAgentRegistry" in {entry.table for entry in company.journal()}


def test_reads_follow_the_switch(company, write):
    write("Grace")
    company.link.cut()
    write("Ada")
    assert active_alias() == "sqlite"
    assert [agent.name for agent in Agent.objects.all()] == ["Ada"]


def test_a_primary_that_takes_no_writes_is_left(company, write):
    company.link.fail("execute", "read-only", matching="INSERT", times=ALWAYS)
    write()
    assert company.mode == "fallback"


def test_a_link_that_is_gone_is_noticed_without_a_statement(company, write):
    """A statement sent to a host that is silent waits for three query timeouts."""
    company.link.cut()
    before = company.link.connects
    write()
    assert company.link.connects == before


def test_two_victims_do_not_wait_equally_long():
    waits = {failover.jitter(1) for _ in range(50)}
    assert len(waits) > 1
    assert all(0.01 <= wait <= 0.02 for wait in waits)


def test_a_configuration_error_is_an_alarm(company, write, caplog):
    company.link.fail("connect", "password", times=ALWAYS)
    with pytest.raises(Exception, match="Login failed"):
        write()
    assert [record.levelname for record in caplog.records if "18456" in record.message] == [
        "CRITICAL"
    ]


@pytest.mark.parametrize("forgetful", ["the mode file", "the copy"])
def test_either_file_remembers_that_the_primary_was_seen(company, write, forgetful):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET complete_at = NULL")
    if forgetful == "the copy":
        connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET has_seen_primary = 0")
    else:
        company.modes._connection().execute("UPDATE host SET has_seen_primary = 0")
    company.link.cut()
    with pytest.raises(Unavailable, match="never filled completely"):
        write()
