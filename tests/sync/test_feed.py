"""From the primary to the copy."""

import pytest
from django.db import connections

from agents.models import Agent, AgentSkill
from agents.services.discussions import post_message
from agents.services.registry import register_agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins
from rodcorp.databases import eligibility, journal, switching
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.sync.feed import Feed, FeedLost
from rodcorp.databases.sync.rules import rules
from rodcorp.operations.sample import load_sample_data


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
    feed.pull()
    assert company.on("sqlite", RodCoinsTransaction) == 1
    assert LedgerAccount.objects.using("sqlite").get(agent=ada, kind="wallet").balance == 5
