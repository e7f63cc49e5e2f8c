"""Switching by hand, and what keeps a process that slept through a switch from writing after it."""

import pytest
from django.db import Error, connections

from agents.models import Agent
from agents.services.presence import heartbeat
from rodcorp.actors import Actor
from rodcorp.databases import fence, hosts, journal, switching
from rodcorp.databases.mode import Mode, ModeFile
from rodcorp.databases.models import Host
from rodcorp.databases.sides import Side, current
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, Unavailable
from rodcorp.kit import rows


@pytest.fixture
def write(system):
    def unit(name="Ada", inside=lambda: None):
        def work(unit):
            agent = Agent(name=name, project="p", machine_hostname="h", machine_ip="::1")
            rows.insert(agent)
            inside()

        run_in_unit(work, actor=system, operation="test")

    return unit


def test_an_operator_leads_to_the_copy_and_says_why(company, write):
    switching.to_copy("maintenance")
    write()
    assert company.where(Agent) == (0, 1)
    assert company.modes.history()[0].reason == "maintenance"


def test_an_operator_leads_back_when_nothing_was_written(company, write):
    switching.to_copy("maintenance")
    switching.to_primary("done")
    write()
    assert company.where(Agent) == (1, 0)
    assert not fence.read(connections["sqlite"]).is_open


def test_the_way_back_is_refused_while_changes_wait_to_be_replayed(company, write):
    switching.to_copy("maintenance")
    write()
    with pytest.raises(Conflict, match="replayed on SQL Server first"):
        switching.to_primary("done")
    assert company.mode == "fallback"
    write("Grace")
    assert company.where(Agent) == (0, 2)


def test_the_way_back_is_refused_while_the_primary_is_gone(company):
    switching.to_copy("maintenance")
    company.link.cut()
    with pytest.raises(Unavailable, match="nothing was switched"):
        switching.to_primary("done")
    assert company.mode == "fallback"


@pytest.mark.parametrize(
    ("lead", "words"),
    [(switching.to_primary, "SQL Server is the active"), (switching.to_copy, "The copy is")],
)
def test_a_switch_to_where_one_is_is_refused(company, lead, words):
    if lead is switching.to_copy:
        switching.to_copy("maintenance")
    with pytest.raises(Conflict, match=words):
        lead("again")


@pytest.mark.sqlite_only("no SQL Server is configured")
def test_without_a_primary_there_is_nothing_to_switch():
    with pytest.raises(Conflict, match="No SQL Server is configured"):
        switching.to_copy("why not")


def test_a_unit_that_slept_through_a_switch_there_and_back_runs_again_before_it_commits(
    company, write
):
    """It began on the primary at an epoch that is over when it wakes."""
    runs = []

    def switch_there_and_back():
        runs.append(1)
        if len(runs) == 1:
            # another process; in this one the units would share a connection
            state = company.modes.read()
            company.modes.change(Mode.FALLBACK, state.epoch, "elsewhere")
            company.modes.change(Mode.HEALING, state.epoch + 1, "elsewhere")
            company.modes.change(Mode.PRIMARY, state.epoch + 2, "elsewhere")
            hosts.raise_epoch(state.epoch + 2)

    write(inside=switch_there_and_back)
    assert (len(runs), company.where(Agent)) == (2, (1, 0))


def test_a_unit_that_slept_through_a_switch_to_the_copy_is_written_there(company, write):
    asleep = []

    def switch():
        if not asleep:
            asleep.append(1)
            state = company.modes.read()
            company.modes.change(Mode.FALLBACK, state.epoch, "elsewhere")
            hosts.raise_epoch(state.epoch + 1)

    write(inside=switch)
    assert company.where(Agent) == (0, 1)


def test_a_unit_cannot_pass_a_fence_that_closed_meanwhile(company):
    copy = connections["sqlite"]
    fence.open_if_lower(copy, 4)
    fence.close(copy, 6)
    with pytest.raises(fence.Fenced):
        fence.pass_through(copy, 5)


def test_a_fence_is_not_opened_again_for_an_epoch_that_is_over(company):
    copy = connections["sqlite"]
    fence.close(copy, 6)
    fence.open_if_lower(copy, 5)
    assert fence.read(copy) == (False, 6)


def test_a_statement_outside_any_transaction_obeys_the_fence_too(company, make_agent):
    switching.to_copy("maintenance")
    ada = make_agent("Ada")
    fence.close(connections["sqlite"], 9)
    with pytest.raises(Error, match="rodcorp: fenced"), journal.as_presence():
        Agent.objects.using("sqlite").filter(pk=ada.pk).update(last_seen=ada.last_seen)


def test_a_switch_back_that_was_cut_short_is_finished_by_whoever_writes_next(company, write):
    """The tail was replayed and the fence closed; then the process died."""
    switching.to_copy("maintenance")
    state = company.modes.read()
    company.modes.change(Mode.HEALING, state.epoch, "heal")
    fence.close(connections["sqlite"], state.epoch + 2)
    write()
    assert company.mode == "primary"
    assert company.where(Agent) == (1, 0)


def test_a_mode_file_that_was_lost_is_made_again_from_the_fence(company, write):
    switching.to_copy("maintenance")
    write()
    before = company.modes.read()
    company.modes.close()
    company.modes.path.unlink()
    assert current().alias == "sqlite"
    assert company.modes.read().epoch > before.epoch
    write("Grace")
    assert company.where(Agent) == (0, 2)


def test_a_host_the_primary_does_not_know_registers_itself(company, write):
    Host.objects.using("mssql").all().delete()
    write()
    assert company.where(Agent) == (1, 0)
    assert company.on("mssql", Host) == 1


def test_a_host_is_known_by_its_mode_file(company):
    hosts.register()
    hosts.register()
    assert [host.pk for host in Host.objects.using("mssql")] == [company.modes.host_id()]


def test_presence_is_journaled_once_for_a_row(company, make_agent):
    switching.to_copy("maintenance")
    ada = make_agent("Ada")
    for _ in range(3):
        heartbeat(actor=Actor.system("test"), agent=ada)
    assert [entry.table for entry in company.journal() if entry.unit == "presence"] == [
        "GlobalAgentRegistry"
    ]


def test_a_foreign_write_to_the_copy_is_refused(company):
    switching.to_copy("maintenance")
    with pytest.raises(Error, match="outside a unit of work"):
        Agent.objects.using("sqlite").create(
            name="A", project="p", machine_hostname="h", machine_ip="::1"
        )


def test_the_primarys_row_of_a_host_never_goes_back(company):
    hosts.raise_epoch(7)
    hosts.raise_epoch(5)
    assert Host.objects.using("mssql").get().epoch == 7


def test_a_side_knows_what_it_is():
    assert Side("mssql", 3).is_primary
    assert Side("sqlite", 3).is_copy
    assert not Side("sqlite", 0).is_copy


def fences_at(monkeypatch, mode):
    """The copy's fence, as others see it, at each change of the mode to this one."""
    seen = []
    change = ModeFile.change

    def look_first(self, to, expected_epoch, reason):
        if to is mode:
            seen.append(fence.left_behind())
        return change(self, to, expected_epoch, reason)

    monkeypatch.setattr(ModeFile, "change", look_first)
    return seen


def test_on_the_way_to_the_copy_the_mode_changes_before_the_fence_opens(company, monkeypatch):
    seen = fences_at(monkeypatch, Mode.FALLBACK)
    switching.to_copy("test")
    assert [found.is_open for found in seen] == [False]


def test_by_hand_too_the_fence_is_closed_before_the_mode_changes(company, write, monkeypatch):
    switching.to_copy("test")
    with pytest.raises(KeyError):
        write(inside=lambda: {}["nothing is written, and the fence is open"])
    fence.open_if_lower(connections["sqlite"], company.modes.read().epoch)
    seen = fences_at(monkeypatch, Mode.PRIMARY)
    switching.to_primary("test")
    assert [found.is_open for found in seen] == [False]


def test_by_hand_too_the_primary_learns_the_epoch(company):
    switching.to_copy("test")
    switching.to_primary("test")
    assert Host.objects.using("mssql").get().epoch == company.modes.read().epoch - 1
