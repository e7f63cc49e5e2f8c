"""From the primary to the copy."""

import sqlite3
from contextlib import closing

import pytest
from django.db import connections
from django.db.models import QuerySet

from agents.models import Agent, AgentSkill
from agents.services.discussions import post_message
from agents.services.registry import register_agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins
from rodcorp.databases import eligibility, journal, switching
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.sync import feed as feeding
from rodcorp.databases.sync.feed import Feed, FeedLost
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.rules import rules
from rodcorp.operations.sample import load_sample_data
from tests.payroll.tampering import past_triggers


@pytest.fixture
def ada(source, make_agent):
    return make_agent("Ada", skills={"python": 3})


def test_every_replicated_table_has_a_rule():
    assert len(rules()) == len(replicated_models())


def test_parents_come_before_those_who_point_at_them():
    names = list(rules())
    assert names.index("GlobalAgentRegistry") < names.index("AgentSkills")
    assert names.index("LedgerAccounts") < names.index("RodCoinsTransactions")


def test_the_first_pull_brings_everything_and_makes_the_copy_eligible(company, ada, feed, same):
    assert company.on("sqlite", Agent) == 1
    assert eligibility.reason_against(connections["sqlite"], has_seen_primary=True) is None
    same()


def test_a_pull_brings_what_changed_since(company, ada, feed, same, system):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    post_message(actor=system, agent=ada, topic="t", message="m")
    feed.pull()
    same()


def test_a_pull_without_changes_writes_nothing(company, ada, feed):
    changes = connections["sqlite"].connection.total_changes
    assert not feed.pull()
    assert connections["sqlite"].connection.total_changes == changes


def test_what_was_deleted_there_is_deleted_here(company, ada, feed, same, system):
    register_agent(actor=system, name="Ada", skills={}, machine_hostname="h", machine_ip="::1")
    feed.pull()
    assert company.on("sqlite", AgentSkill) == 0
    same()


def test_nothing_of_the_feed_is_journaled(company, ada, feed):
    assert company.journal() == []


def test_balances_and_totals_follow_from_the_ledger_and_are_not_copied(
    company, ada, feed, same, system
):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    LedgerAccount.objects.using("mssql").update(balance=1_000)
    Agent.objects.using("mssql").update(total_rodcoins_earned=1_000)
    feed.pull()
    assert LedgerAccount.objects.using("sqlite").get(agent=ada, kind="wallet").balance == 5
    assert Agent.objects.using("sqlite").get().total_rodcoins_earned == 5


def test_ratings_follow_from_the_evaluations(company, ada, feed, same, system, make_agent):
    grace = make_agent("Grace")
    for score in ("4.00", "5.00"):
        record_performance_evaluation(
            actor=system, agent=ada, score=score, evaluator_id=str(grace.pk)
        )
    feed.pull()
    same()


def test_a_whole_company_arrives_as_it_is(company, source, feed, same, system):
    load_sample_data(actor=system)
    feed.pull()
    same()


def test_a_complete_pull_removes_what_the_primary_does_not_have(company, ada, feed, same):
    with journal.as_feed():
        Agent.objects.using("sqlite").create(
            name="Nobody", project="p", machine_hostname="h", machine_ip="::1"
        )
    feed.reseed()
    assert company.on("sqlite", Agent) == 1
    same()


def test_filled_anew_the_copy_has_what_was_lost_here(company, ada, feed, same):
    with journal.as_feed():
        AgentSkill.objects.using("sqlite").all()._raw_delete("sqlite")
    assert feed.differing() == ["AgentSkills"]
    feed.reseed()
    assert feed.differing() == []
    same()


def test_rows_that_were_written_here_are_left_alone_until_they_are_replayed(
    company, ada, feed, system
):
    switching.to_copy("test")
    register_agent(actor=system, name="Ada", team="Ours", machine_hostname="h", machine_ip="::1")
    Agent.objects.using("mssql").update(team="Theirs")
    feed.pull()
    assert Agent.objects.using("sqlite").get().team == "Ours"


def test_a_parent_that_rows_written_here_need_is_not_deleted_under_them(company, ada, feed, system):
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m")
    for model in (AgentSkill, AgentSkill.history.model, Agent.history.model, Agent):
        model._base_manager.using("mssql").all().delete()
    feed.pull()
    assert company.on("sqlite", Agent) == 1
    assert company.on("sqlite", AgentSkill) == 0


def test_an_older_version_of_a_row_never_replaces_a_newer_one(company, ada, feed):
    from rodcorp.databases.sync.source import Pull

    [row] = [row for _, row in feed.source.read(rules()["GlobalAgentRegistry"], [ada.pk]).values()]
    old = Pull(feed.cursor(), {"GlobalAgentRegistry": [(1, {**row, "team": "Old"})]})
    feed._apply(old, feed.cursor(), is_complete=False)
    assert Agent.objects.using("sqlite").get().team != "Old"


def test_an_older_tombstone_does_not_delete_a_row_that_was_made_again(company, ada, feed):
    from rodcorp.databases.sync.source import Pull

    old = Pull(feed.cursor(), deleted={"GlobalAgentRegistry": [(ada.pk, 1)]})
    feed._apply(old, feed.cursor(), is_complete=False)
    assert company.on("sqlite", Agent) == 1


def test_a_second_feed_ends_the_first(company, ada, feed, source):
    Feed(source)
    with pytest.raises(FeedLost):
        feed.pull()


def test_a_pull_whose_cursor_moved_is_thrown_away(company, ada, feed):
    pulled = feed.source.pull(0, rules().values())
    with pytest.raises(FeedLost):
        feed._apply(pulled, 0, is_complete=True)


def test_a_ledger_row_that_is_here_already_moves_no_balance_again(company, ada, feed, system):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    feed.pull()
    connections["sqlite"].cursor().execute("DELETE FROM rodcorp_versions")
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET cursor = 1")
    award_rodcoins(actor=system, agent=ada, amount=7, description="y", transaction_type="earned")
    feed.pull()
    assert company.on("sqlite", RodCoinsTransaction) == 2
    assert LedgerAccount.objects.using("sqlite").get(agent=ada, kind="wallet").balance == 12


def test_a_row_that_is_only_ever_added_is_never_changed(company, ada, feed, system):
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    feed.pull()
    with past_triggers("mssql"):
        QuerySet(RodCoinsTransaction, using="mssql").update(description="another")
    feed.pull()
    assert RodCoinsTransaction.objects.using("sqlite").get().description == "x"


def test_the_copy_is_not_locked_while_the_primary_is_asked(company, ada, feed, monkeypatch):
    pull = feed.source.pull

    def write_meanwhile(*arguments):
        with closing(sqlite3.connect(company.directory / "agent_system.db", timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        return pull(*arguments)

    monkeypatch.setattr(feed.source, "pull", write_meanwhile)
    Agent.objects.using("mssql").update(team="Core")
    feed.pull()
    assert Agent.objects.using("sqlite").get().team == "Core"


def test_a_pull_that_breaks_leaves_nothing(company, ada, feed, monkeypatch):
    before = feed.cursor()
    Agent.objects.using("mssql").update(team="Core")
    with monkeypatch.context() as patch:
        patch.setattr(feeding, "_apply_deletions", None)
        with pytest.raises(TypeError):
            feed.pull()
    assert Agent.objects.using("sqlite").get().team is None
    assert feed.cursor() == before


def test_a_deletion_there_leaves_what_was_written_here_alone(company, ada, feed, system):
    switching.to_copy("test")
    register_agent(
        actor=system, name="Ada", skills={"python": 7}, machine_hostname="h", machine_ip="::1"
    )
    AgentSkill.objects.using("mssql").all().delete()
    feed.pull()
    assert AgentSkill.objects.using("sqlite").get().level == 7


def test_a_parent_that_was_kept_goes_once_the_journal_is_home(company, ada, feed, system, same):
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m")
    for model in (AgentSkill, AgentSkill.history.model, Agent.history.model, Agent):
        model._base_manager.using("mssql").all().delete()
    feed.pull()
    Healer(feed.source).heal("test")
    assert company.on("sqlite", Agent) == 0


def test_a_table_whose_highest_version_is_another_differs(company, ada, feed):
    assert feed.differing() == []
    with connections["sqlite"].cursor() as cursor:
        cursor.execute(
            "UPDATE rodcorp_versions SET version = version - 1 WHERE table_name = 'AgentSkills'"
        )
    assert feed.differing() == ["AgentSkills"]


def test_after_an_upgrade_the_copy_is_filled_again_and_may_stand_in(
    company, ada, feed, source, same, monkeypatch
):
    """A migration may have made a column that is not the same on both sides."""
    connections["sqlite"].cursor().execute("DROP TRIGGER rodcorp_update_GlobalAgentRegistry")
    connections["sqlite"].cursor().execute("UPDATE GlobalAgentRegistry SET Team = 'made up'")
    monkeypatch.setattr(eligibility, "schema_revision", lambda: "the next")

    def why_not():
        return eligibility.reason_against(connections["sqlite"], has_seen_primary=True)

    assert why_not() == "it was filled for another version of the schema"
    Feed(source).pull()
    assert why_not() is None
    same()


def test_an_answer_that_was_replaced_on_the_primary_is_replaced_here(company, ada, feed, same):
    UnitMarker.objects.using("mssql").update(result='"another"')
    feed.pull()
    same()


def test_the_marker_of_a_unit_that_was_not_replayed_is_left_alone(company, ada, feed, system):
    switching.to_copy("test")
    post_message(actor=system, agent=ada, topic="t", message="m")
    marker = UnitMarker.objects.using("sqlite").get(operation="discussions.post")
    marker.save(using="mssql", force_insert=True)
    UnitMarker.objects.using("mssql").filter(pk=marker.pk).update(changes="of another attempt")
    feed.pull()
    assert UnitMarker.objects.using("sqlite").get(pk=marker.pk).changes == marker.changes


def test_a_copy_that_is_filled_anew_keeps_no_row_that_was_to_be_the_same(
    company, ada, feed, same, system
):
    """After a restore of the primary the same thing may have been paid there once more."""
    award_rodcoins(actor=system, agent=ada, amount=5, description="x", transaction_type="earned")
    feed.pull()
    with past_triggers("mssql"):
        connections["mssql"].cursor().execute("UPDATE RodCoinsTransactions SET Amount = 7")
    LedgerAccount.objects.using("mssql").filter(agent=ada).update(balance=7)
    Agent.objects.using("mssql").update(total_rodcoins_earned=7)
    feed.reseed()
    same()
