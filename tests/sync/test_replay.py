"""From the copy to the primary."""

import pytest
from django.db import Error, connections

from agents.models import Agent, AgentSkill, Discussion
from agents.services.discussions import post_message
from agents.services.presence import heartbeat
from agents.services.registry import register_agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins
from rodcorp.databases import hosts, switching
from rodcorp.databases.fence import Fenced
from rodcorp.databases.ids import natural_id
from rodcorp.databases.models import Conflict, Host, UnitMarker
from rodcorp.databases.sessions import drop
from rodcorp.databases.sync import beacon, healing
from rodcorp.databases.sync.feed import Feed
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.replay import Replay
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import rows
from tasks.models import Task, TaskLabel, TaskSkill
from tasks.services.creation import create_task
from tasks.services.work import assign_task, update_task, update_task_status
from tests.sides.source import FileVersions

MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}


@pytest.fixture
def ada(source, make_agent, system):
    ada = make_agent("Ada", team="Core", skills={"python": 3})
    award_rodcoins(actor=system, agent=ada, amount=10, description="x", transaction_type="earned")
    return ada


@pytest.fixture
def away(company, ada, feed):
    """The copy is filled, and active."""
    switching.to_copy("test")
    return company


@pytest.fixture
def home(source):
    def heal():
        return Healer(source).heal("test")

    return heal


def change(agent_id, **values):
    """Somebody changes the agent on the primary."""
    Agent.objects.using("mssql").filter(pk=agent_id).update(**values)


def edit(system, **values):
    """Somebody changes Ada where this host writes."""
    run_in_unit(
        lambda unit: rows.change(Agent.objects.get(name="Ada"), **values),
        actor=system,
        operation="edit",
    )


def theirs(model=Agent, **values):
    return model._base_manager.using("mssql").get(**values)


def test_an_empty_journal_leads_straight_home(away, home, same):
    healed = home()
    assert healed.units == 0
    assert away.mode == "primary"


def test_what_was_written_here_is_there_and_the_journal_is_empty(away, home, same, system, ada):
    post_message(actor=system, agent=ada, topic="t", message="m")
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="bonus")
    task = create_task(actor=system, agent=ada, description="d")
    update_task_status(actor=system, task=task, status="completed")
    healed = home()
    assert healed.units == 4
    assert healed.conflicts == healed.quarantined == 0
    assert away.mode == "primary"
    assert away.journal() == []
    same()


def test_balances_add_up_from_both_sides(away, home, same, system, ada):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    with away.writing_there():
        award_rodcoins(
            actor=system, agent=ada, amount=7, description="y", transaction_type="earned"
        )
    home()
    wallet = LedgerAccount.objects.using("mssql").get(agent=ada, kind="wallet")
    assert wallet.balance == 22
    assert theirs().total_rodcoins_earned == 22


def test_markers_come_home_with_their_answers(away, home, system, ada):
    first = award_rodcoins(
        actor=system, agent=ada, amount=5, description="x", transaction_type="earned", key="k"
    )
    home()
    again = award_rodcoins(
        actor=system, agent=ada, amount=5, description="x", transaction_type="earned", key="k"
    )
    assert first.pk == again.pk
    assert away.on("mssql", RodCoinsTransaction) == 2


def test_a_key_that_was_used_here_is_used_up_there(away, home, system):
    runs = []

    def work(unit):
        runs.append(1)
        return unit.new_id()

    first = run_in_unit(work, actor=system, operation="test", key="k")
    home()
    assert away.mode == "primary"
    assert run_in_unit(work, actor=system, operation="test", key="k") == first
    assert len(runs) == 1


def test_columns_that_only_one_side_changed_are_that_sides(away, home, same, system, ada):
    edit(system, team="Ours")
    change(ada.pk, role="Theirs")
    home()
    assert (theirs().team, theirs().role) == ("Ours", "Theirs")
    assert away.on("mssql", Conflict) == 0


def test_a_column_both_sides_changed_is_the_primarys_and_a_person_is_told(
    away, home, system, ada, feed, same
):
    edit(system, team="Ours", role="Ours")
    change(ada.pk, team="Theirs")
    home()
    assert (theirs().team, theirs().role) == ("Theirs", "Ours")
    conflict = theirs(Conflict)
    assert (conflict.table_name, conflict.lost) == ("GlobalAgentRegistry", "team")
    assert "Ours" in conflict.ours
    assert "Theirs" in conflict.theirs
    assert "Core" in conflict.base
    feed.pull()
    same()


def test_the_same_change_on_both_sides_is_no_conflict(away, home, system, ada):
    edit(system, team="Same")
    change(ada.pk, team="Same")
    home()
    assert away.on("mssql", Conflict) == 0


def test_a_row_that_came_back_to_what_it_was_counts_as_unchanged(away, home, system, ada):
    edit(system, team="Ours")
    change(ada.pk, team="Theirs")
    change(ada.pk, team="Core")
    home()
    assert theirs().team == "Ours"
    assert away.on("mssql", Conflict) == 0


def test_a_second_unit_on_the_same_row_begins_from_the_first(away, home, system, ada, same):
    edit(system, team="One")
    edit(system, team="Two")
    home()
    assert theirs().team == "Two"
    assert away.on("mssql", Conflict) == 0


def test_a_deletion_comes_home(away, home, same, system, ada):
    register_agent(actor=system, name="Ada", skills={}, **MACHINE)
    home()
    assert away.on("mssql", AgentSkill) == 0
    same()


def test_a_row_that_was_made_and_deleted_here_is_made_and_deleted_there(
    away, home, same, system, ada
):
    register_agent(actor=system, name="Ada", skills={"go": 1}, **MACHINE)
    register_agent(actor=system, name="Ada", skills={}, **MACHINE)
    home()
    assert away.on("mssql", AgentSkill) == 0
    same()


def test_an_update_beats_a_deletion(away, home, same, system, ada, feed):
    register_agent(actor=system, name="Ada", skills={}, **MACHINE)
    AgentSkill.objects.using("mssql").update(level=9)
    home()
    assert theirs(AgentSkill).level == 9
    assert "stays" in theirs(Conflict).rule
    feed.pull()
    same()


def test_an_update_of_what_was_deleted_there_inserts_nothing(away, home, same, system, ada, feed):
    register_agent(actor=system, name="Ada", skills={"python": 7}, **MACHINE)
    AgentSkill.objects.using("mssql").all().delete()
    home()
    assert away.on("mssql", AgentSkill) == 0
    assert theirs(Conflict).rule == "it was deleted on the primary"
    feed.pull()
    same()


def test_two_sides_that_made_the_same_thing_made_one_row(away, home, same, system, feed):
    register_agent(actor=system, name="Grace", team="One", **MACHINE)
    with away.writing_there():
        register_agent(actor=system, name="GRACE", team="One", **MACHINE)
    assert home().quarantined == 0
    assert away.on("mssql", Agent) == 2


def test_a_unit_that_was_committed_there_after_all_is_not_applied_again(
    company, ada, feed, home, same, system
):
    company.link.fail("commit_after", "reset", cuts=True)
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    assert company.mode == "fallback"
    company.link.mend()
    home()
    assert company.on("mssql", RodCoinsTransaction) == 2
    assert LedgerAccount.objects.using("mssql").get(agent=ada, kind="wallet").balance == 15
    assert company.on("mssql", Conflict) == 0
    feed.pull()
    same()


def test_rows_that_only_an_unanswered_attempt_wrote_are_told(
    company, ada, feed, home, system, same
):
    """How many agents there are decides whom the unit makes, and what it answers."""

    def work(unit):
        name = f"A{Agent.objects.count()}"
        rows.insert(Agent(id=natural_id("agent", "p", name), name=name, project="p", **MACHINE))
        return name

    def ask():
        return run_in_unit(work, actor=system, operation="test", key="k", body={})

    Agent.objects.using("mssql").create(name="Late", project="p", **MACHINE)
    company.link.fail("commit_after", "reset", cuts=True)
    answer = ask()
    company.link.mend()
    home()
    names = set(Agent.objects.using("mssql").values_list("name", flat=True))
    assert (answer, names) == ("A1", {"Ada", "Late", "A1", "A2"})
    told = Conflict.objects.using("mssql").filter(table_name="GlobalAgentRegistry")
    assert [one.row_key for one in told] == [theirs(name="A2").pk]
    feed.pull()
    same()
    assert ask() == answer


def test_what_the_primary_refuses_is_quarantined_with_its_marker_and_the_rest_goes_on(
    away, home, system, ada, feed, same
):
    """Somebody there took the name under another key."""
    register_agent(actor=system, name="Grace", **MACHINE)
    Agent.objects.using("mssql").create(name="Grace", project="default", **MACHINE)
    post_message(actor=system, agent=ada, topic="t", message="m")
    healed = home()
    assert healed.quarantined == 1
    conflict = theirs(Conflict, table_name="GlobalAgentRegistry")
    assert conflict.kind == "quarantine"
    assert "Grace" in conflict.ours
    assert UnitMarker.objects.using("mssql").filter(pk=conflict.unit).exists()
    assert away.on("mssql", Discussion) == 1
    feed.pull()
    same()


def test_what_depends_on_a_quarantined_unit_is_quarantined_too(away, home, system, feed, same):
    grace = register_agent(actor=system, name="Grace", **MACHINE)
    Agent.objects.using("mssql").create(name="Grace", project="default", **MACHINE)
    award_rodcoins(actor=system, agent=grace, amount=5, description="x", transaction_type="bonus")
    healed = home()
    assert healed.quarantined == 2
    feed.pull()
    same()
    assert away.on("sqlite", RodCoinsTransaction) == 1


def test_presence_keeps_the_later_time(away, home, system, ada):
    seen = heartbeat(actor=system, agent=ada)
    home()
    assert theirs().last_seen == seen


def test_presence_that_is_older_changes_nothing(away, home, system, ada):
    heartbeat(actor=system, agent=ada)
    change(ada.pk, last_seen="2030-01-01T00:00:00Z")
    home()
    assert theirs().last_seen.year == 2030


def test_a_link_that_breaks_on_the_way_home_leads_back_and_loses_nothing(
    away, home, same, system, ada
):
    for number in range(5):
        post_message(actor=system, agent=ada, topic="t", message=f"m{number}")
    away.link.fail("commit_before", "reset", after=2)
    with pytest.raises(Error):
        home()
    assert away.mode == "fallback"
    drop("mssql")
    home()
    assert away.on("mssql", Discussion) == 5
    same()


def test_a_crash_between_the_two_commits_applies_nothing_twice(
    away, home, same, system, ada, monkeypatch
):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="bonus")
    with monkeypatch.context() as patch:
        patch.setattr(Replay, "_settle", _die)
        with pytest.raises(RuntimeError):
            home()
    assert away.mode == "fallback"
    again = Healer(FileVersions()).heal("test")
    assert again.conflicts == 0
    assert away.on("mssql", RodCoinsTransaction) == 2
    assert LedgerAccount.objects.using("mssql").get(agent=ada, kind="wallet").balance == 15
    same()


def _die(self, done, found):
    raise RuntimeError("killed")


def test_writes_go_on_while_the_journal_is_replayed(away, source, same, system, ada, monkeypatch):
    monkeypatch.setattr(healing, "BATCH", 5)
    for number in range(10):
        post_message(actor=system, agent=ada, topic="t", message=f"m{number}")
    run = healing.Replay.run
    written = []

    def run_and_write(self, limit):
        if len(written) < 3:
            written.append(1)
            post_message(actor=system, agent=ada, topic="t", message=f"w{len(written)}")
        return run(self, limit)

    monkeypatch.setattr(healing.Replay, "run", run_and_write)
    assert Healer(source).heal("test").units == 10 + len(written) > 10
    assert away.on("mssql", Discussion) == 10 + len(written)
    same()


def test_a_tail_that_takes_too_long_gives_the_lock_up(away, source, system, ada, monkeypatch):
    monkeypatch.setattr(healing, "TAIL_DEADLINE_S", -1.0)
    monkeypatch.setattr(healing, "TAIL_ESTIMATE_S", 1_000.0)
    post_message(actor=system, agent=ada, topic="t", message="m")
    assert Healer(source).heal("test") is None
    assert away.mode == "fallback"
    post_message(actor=system, agent=ada, topic="t", message="m2")


def test_the_primary_knows_how_far_the_journal_was_replayed(away, home, system, ada):
    post_message(actor=system, agent=ada, topic="t", message="m")
    last = away.journal()[-1].sequence
    home()
    assert Host.objects.using("mssql").get().replayed_sequence == last


def test_an_older_epoch_brings_nothing_home(away, source, system, ada):
    post_message(actor=system, agent=ada, topic="t", message="m")
    Host.objects.using("mssql").update(epoch=99)
    with pytest.raises(Fenced):
        Replay(source, 3).run()
    assert away.on("mssql", Discussion) == 0


def test_what_came_after_an_attempt_that_was_committed_after_all_stands(
    company, ada, feed, home, system
):
    """The unit took effect there before somebody else changed the row again."""
    company.link.fail("commit_after", "reset", cuts=True)
    edit(system, team="Ours")
    company.link.mend()
    assert theirs().team == "Ours"
    change(ada.pk, team="Theirs")
    home()
    assert theirs().team == "Theirs"
    assert company.on("mssql", Conflict) == 0


def test_units_come_home_in_the_order_they_were_committed(away, home, system, ada, monkeypatch):
    for number in range(3):
        post_message(actor=system, agent=ada, topic="t", message=f"m{number}")
    brought = []
    bring = Replay._bring

    def note(self, work):
        brought.append(work.last)
        bring(self, work)

    monkeypatch.setattr(Replay, "_bring", note)
    home()
    assert len(brought) == 3
    assert brought == sorted(brought)


def test_of_a_unit_that_is_refused_nothing_is_left(away, home, system, ada):
    """Its first rows were taken already when the last were refused."""
    AgentSkill.objects.using("mssql").create(agent_id=ada.pk, skill="go", level=1)

    def work(unit):
        register_agent(actor=system, name="Grace", **MACHINE)
        register_agent(actor=system, name="Ada", skills={"python": 3, "go": 2}, **MACHINE)

    run_in_unit(work, actor=system, operation="test")
    assert home().quarantined == 1
    assert away.on("mssql", Agent, name="Grace") == 0


def test_what_is_home_does_not_come_again_even_without_its_marker(
    away, home, system, ada, monkeypatch
):
    edit(system, team="Ours")
    with monkeypatch.context() as patch:
        patch.setattr(Replay, "_settle", _die)
        with pytest.raises(RuntimeError):
            home()
    UnitMarker.objects.using("mssql").all().delete()
    change(ada.pk, team="Theirs")
    home()
    assert theirs().team == "Theirs"
    assert away.on("mssql", Conflict) == 0


def noted(monkeypatch, name, of_what):
    """The tables, in the order in which a part of the replay writes them."""
    seen = []
    method = getattr(Replay, name)

    def note(self, *arguments):
        seen.append(of_what(*arguments))
        return method(self, *arguments)

    monkeypatch.setattr(Replay, name, note)
    return seen


def test_parents_are_made_before_their_children(away, home, system, monkeypatch):
    """The copy looks at foreign keys when a unit ends, SQL Server at once."""
    grace = Agent(name="Grace", project="p", **MACHINE)

    def work(unit):
        rows.insert(AgentSkill(agent_id=grace.pk, skill="go", level=1))
        rows.insert(grace)

    run_in_unit(work, actor=system, operation="test")
    tables = noted(monkeypatch, "_insert", lambda rule, images: rule.model._meta.db_table)
    assert home().quarantined == 0
    assert tables.index("GlobalAgentRegistry") < tables.index("AgentSkills")


def test_children_are_deleted_before_their_parents(company, ada, feed, home, system, monkeypatch):
    create_task(actor=system, agent=ada, description="d", labels=["x"])
    feed.pull()
    switching.to_copy("test")

    def work(unit):
        rows.delete_many(TaskLabel.objects.all())
        rows.delete_many(Task.objects.all())

    run_in_unit(work, actor=system, operation="test")
    tables = noted(monkeypatch, "_bring_deletion", lambda change: change.table)
    home()
    assert tables == ["TaskLabels", "AgentTodoTracking"]
    assert company.on("mssql", Task) == 0


def reads_late(monkeypatch, source, model, key):
    """The first look at this row sees it as it is now, whatever becomes of it."""
    read, rule = source.read, rules()[model._meta.db_table]
    stale = [source.read(rule, [key])]

    def read_late(asked, keys):
        if asked is rule and stale:
            return stale.pop()
        return read(asked, keys)

    monkeypatch.setattr(source, "read", read_late)


def test_a_row_that_changes_between_reading_and_writing_is_merged_again(
    away, source, home, system, ada, monkeypatch
):
    edit(system, team="Ours")
    reads_late(monkeypatch, source, Agent, ada.pk)
    change(ada.pk, team="Theirs")
    home()
    assert theirs().team == "Theirs"
    assert theirs(Conflict).lost == "team"


def test_a_row_that_changes_before_it_is_deleted_stays(
    away, source, home, system, ada, monkeypatch
):
    register_agent(actor=system, name="Ada", skills={}, **MACHINE)
    reads_late(monkeypatch, source, AgentSkill, theirs(AgentSkill).pk)
    AgentSkill.objects.using("mssql").update(level=9)
    home()
    assert theirs(AgentSkill).level == 9


def test_who_was_deleted_here_is_retired_there(company, ada, feed, home, system, make_agent, same):
    grace = make_agent("Grace")
    feed.pull()
    switching.to_copy("test")
    run_in_unit(lambda unit: rows.delete_many([grace]), actor=system, operation="test")
    home()
    assert theirs(name="Grace").status == "retired"
    assert company.on("sqlite", Agent) == 2


def test_a_row_that_is_there_with_another_body_stays_and_a_person_is_told(
    away, home, system, ada, feed, same
):
    paid = award_rodcoins(
        actor=system, agent=ada, amount=5, description="Ours", transaction_type="earned"
    )
    body = RodCoinsTransaction.objects.using("sqlite").filter(pk=paid.pk).values().get()
    RodCoinsTransaction.objects.using("mssql").create(**{**body, "description": "Theirs"})
    home()
    assert theirs(RodCoinsTransaction, pk=paid.pk).description == "Theirs"
    told = theirs(Conflict, table_name="RodCoinsTransactions")
    assert (told.row_key, told.lost) == (paid.pk, "description")


def test_a_derived_column_is_never_brought_home(away, home, system, ada):
    def work(unit):
        Agent.objects.update(team="Ours", total_rodcoins_earned=1_000)

    run_in_unit(work, actor=system, operation="test")
    home()
    assert (theirs().team, theirs().total_rodcoins_earned) == ("Ours", 10)


def test_two_sides_that_opened_an_account_opened_one(
    company, ada, feed, home, system, make_agent, same
):
    grace = make_agent("Grace")
    feed.pull()
    switching.to_copy("test")
    pay = {"agent": grace, "description": "x", "transaction_type": "earned"}
    award_rodcoins(actor=system, amount=5, **pay)
    with company.writing_there():
        award_rodcoins(actor=system, amount=7, **pay)
    assert home().quarantined == 0
    assert theirs(LedgerAccount, agent=grace).balance == 12


def test_what_is_gone_there_goes_here_too_with_those_that_point_at_it(
    company, ada, feed, source, home, same, system
):
    task = create_task(actor=system, agent=ada, description="d", skills={"python": 1})
    feed.pull()
    switching.to_copy("test")
    update_task(actor=system, task=task, title="Ours")
    TaskSkill.objects.using("mssql").all().delete()
    Task.objects.using("mssql").all().delete()
    assert home().conflicts == 1
    assert company.on("sqlite", Task) == 1
    Feed(source).pull()
    same()


def test_what_was_put_off_and_is_there_again_stays(company, ada, feed, source, home, same, system):
    task = create_task(actor=system, agent=ada, description="d", skills={"python": 1})
    feed.pull()
    switching.to_copy("test")
    update_task(actor=system, task=task, title="Ours")
    held = Task.objects.using("mssql").get()
    TaskSkill.objects.using("mssql").all().delete()
    Task.objects.using("mssql").all().delete()
    home()
    held.save(using="mssql", force_insert=True)
    Feed(source).pull()
    assert company.on("sqlite", Task) == 1
    same()


def test_a_row_that_points_at_something_new_there_brings_it_along(
    away, ada, home, same, system, feed
):
    task = create_task(actor=system, agent=ada, description="d")
    home()
    feed.pull()
    switching.to_copy("test")
    update_task(actor=system, task=task, title="Ours")
    with away.writing_there():
        grace = register_agent(actor=system, name="Grace", **MACHINE)
        assign_task(actor=system, task=theirs(Task), agent=grace)
    home()
    assert Task.objects.using("sqlite").get().agent_id == grace.pk
    feed.pull()
    same()


@pytest.fixture
def older(away, home, system, ada):
    """Two units came home, and the copy is put back to before it had numbered any."""
    post_message(actor=system, agent=ada, topic="t", message="m1")
    post_message(actor=system, agent=ada, topic="t", message="m2")
    home()
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'rodcorp_journal'")


def test_an_older_copy_does_not_number_changes_like_those_that_are_home(
    older, away, home, same, system, ada
):
    hosts.register()
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m3")
    home()
    assert away.on("mssql", Discussion) == 3
    same()


def test_after_a_person_has_looked_everything_waiting_comes_home_once(
    older, away, source, same, system, ada
):
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m3")
    with pytest.raises(hosts.Restored, match="older"):
        Healer(source).heal("test")
    assert "older" in away.modes.read().stopped
    beacon.accept_restored()
    Healer(source).heal("test")
    Feed(source).pull()
    assert away.on("mssql", Discussion) == 3
    same()
