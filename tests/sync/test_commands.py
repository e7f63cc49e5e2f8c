"""`manage.py databases`, as operators use it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from agents.models import Agent
from agents.services.registry import register_agent
from rodcorp.databases import journal, switching
from rodcorp.databases.models import Conflict
from rodcorp.databases.sync import rowversions
from rodcorp.databases.sync.watcher import Watcher

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}


@pytest.fixture
def watcher(company, source, monkeypatch):
    monkeypatch.setattr(rowversions, "primary_source", lambda: source)
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    watcher = Watcher(source)
    watcher.step()
    return watcher


def run(*arguments):
    out = StringIO()
    call_command("databases", *arguments, stdout=out)
    return out.getvalue()


def conflict(system):
    """Both sides changed the same column."""
    register_agent(actor=system, name="Ada", team="Core", **MACHINE)
    Watcher(rowversions.primary_source()).step()
    switching.to_copy("test")
    register_agent(actor=system, name="Ada", team="Ours", **MACHINE)
    Agent.objects.using("mssql").update(team="Theirs")
    run("heal")
    return Conflict.objects.get()


def test_the_status_tells_how_the_two_stand(company, watcher):
    said = run("status")
    assert "The company's data is in SQL Server." in said
    assert "may stand in; 0 changes to replay" in said
    assert "feeding, the copy is at most" in said


def test_the_status_tells_why_nothing_is_written(company, watcher):
    company.modes.stop("somebody restored it")
    assert "NOTHING IS WRITTEN: somebody restored it" in run("status")


def test_the_status_for_programs_is_json(company, watcher):
    switching.to_copy("maintenance")
    status = json.loads(run("status", "--json"))
    assert (status["mode"], status["active"]) == ("fallback", "sqlite")
    assert status["switches"][0]["reason"] == "maintenance"


def test_two_sides_that_are_the_same_compare_as_the_same(company, watcher, system):
    register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    assert "ok    GlobalAgentRegistry: 1 the same, 0 on their way, 0 differ" in run("compare")


def test_a_row_that_is_on_its_way_is_no_difference(company, watcher, system):
    register_agent(actor=system, name="Ada", **MACHINE)
    assert "ok    GlobalAgentRegistry: 0 the same, 1 on their way, 0 differ" in run("compare")


@pytest.mark.parametrize("damage", ["team = 'x'", "total_rodcoins_earned = 7"])
def test_a_row_that_differs_is_named(company, watcher, system, damage):
    ada = register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    name, _, value = damage.partition(" = ")
    with journal.as_feed():
        Agent.objects.using("sqlite").update(**{name: value.strip("'")})
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("databases", "compare", stdout=out)
    assert "WRONG GlobalAgentRegistry: 0 the same, 0 on their way, 1 differ" in out.getvalue()
    assert str(ada.pk) in out.getvalue()


@pytest.mark.parametrize("alias", ["mssql", "sqlite"])
def test_a_row_that_one_side_lacks_is_named(company, watcher, system, alias):
    ada = register_agent(actor=system, name="Ada", **MACHINE)
    watcher.step()
    with journal.as_feed():
        Agent.objects.using(alias).all()._raw_delete(alias)
    found = json.loads(_refused("compare", "--json"))
    [registry] = [one for one in found if one["table"] == "GlobalAgentRegistry"]
    assert registry["named"] == [str(ada.pk)]


def _refused(*arguments):
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("databases", *arguments, stdout=out)
    return out.getvalue()


def test_heal_leads_home_and_says_what_it_brought(company, watcher, system):
    switching.to_copy("test")
    register_agent(actor=system, name="Ada", **MACHINE)
    assert "1 units came home, 0 conflicts, 0 quarantined" in run("heal")
    assert company.mode == "primary"


def test_heal_where_one_is_home_says_so(company, watcher):
    assert "the mode is primary" in run("heal")


def test_conflicts_are_listed_until_somebody_has_dealt_with_them(company, watcher, system):
    found = conflict(system)
    said = run("conflicts")
    assert str(found.pk) in said
    assert "lost: team" in said
    run("conflicts", "--resolve", str(found.pk), "--note", "Theirs is right.")
    assert "There are none." in run("conflicts")
    assert str(found.pk) in run("conflicts", "--all")
    found.refresh_from_db()
    assert found.resolution == "Theirs is right."


def test_a_conflict_is_resolved_once(company, watcher, system):
    found = conflict(system)
    run("conflicts", "--resolve", str(found.pk), "--note", "Done.")
    with pytest.raises(CommandError, match="has resolved this already"):
        run("conflicts", "--resolve", str(found.pk), "--note", "Again.")


def test_a_resolution_says_how(company, watcher, system):
    found = conflict(system)
    with pytest.raises(CommandError, match="resolution must not be empty"):
        run("conflicts", "--resolve", str(found.pk))


def test_hosts_are_listed_with_this_one_marked(company, watcher):
    assert f"* {company.modes.host_id()}" in run("hosts")


def test_resume_takes_the_primary_as_it_is(company, watcher):
    company.modes.stop("somebody restored it")
    said = run("resume")
    assert "somebody restored it" in said
    assert "agent_system.aside-" in said
    assert company.modes.read().stopped == ""


def test_resume_without_a_reason_is_refused(company, watcher):
    with pytest.raises(CommandError, match="not stopped"):
        run("resume")


@pytest.mark.sqlite_only("no SQL Server is configured")
@pytest.mark.parametrize("task", ["compare", "heal", "hosts", "resume", "watch"])
def test_without_a_primary_there_is_nothing_to_do(task):
    with pytest.raises(CommandError, match="No SQL Server is configured"):
        run(task)
