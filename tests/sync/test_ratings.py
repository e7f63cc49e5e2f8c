"""Ratings of agents who were judged on both sides."""

import pytest

from payroll.derived.ratings import rebuild_ratings
from payroll.models import Evaluation
from payroll.services.evaluations import evaluate_agents
from rodcorp.databases import switching
from rodcorp.databases.sync.healing import Healer
from tests.payroll.judging import formula, judge_as, parts_from_rows, parts_of, rating, scores_of


@pytest.fixture
def judge(company, system, admin):
    return judge_as(system, admin)


@pytest.fixture
def home(source):
    return lambda: Healer(source).heal("test")


def both_sides_agree(agent):
    for alias in ("mssql", "sqlite"):
        assert parts_of(agent, alias) == parts_from_rows(agent, alias), alias
        assert rating(agent, alias) == formula(scores_of(agent, alias)), alias
    assert parts_of(agent, "mssql") == parts_of(agent, "sqlite")


def test_the_feed_brings_the_rows_and_the_rating_follows(feed, make_agent, judge, system):
    ada = make_agent("Ada")
    for kind, score in (("manual", "4.35"), ("quality", "2.15"), ("manual", 5)):
        judge(ada, kind, score)
        feed.pull()
    evaluate_agents(actor=system)
    feed.pull()
    both_sides_agree(ada)
    assert Evaluation.objects.using("sqlite").continuous().count() == 1
    feed.reseed()
    both_sides_agree(ada)


def test_what_was_deleted_there_counts_no_more_here(feed, make_agent, judge):
    ada = make_agent("Ada")
    judge(ada, "manual", 5)
    judge(ada, "quality", 2)
    feed.pull()
    Evaluation.objects.using("mssql").all()._raw_delete("mssql")
    rebuild_ratings("mssql")
    feed.pull()
    both_sides_agree(ada)
    assert len(scores_of(ada, "sqlite")) == 1


def test_what_each_side_judged_counts_once_on_both(company, feed, make_agent, judge, home):
    ada = make_agent("Ada")
    judge(ada, "manual", 5)
    feed.pull()
    switching.to_copy("test")
    judge(ada, "manual", 1)
    judge(ada, "quality", 2)
    with company.writing_there():
        judge(ada, "manual", 4)
        judge(ada, "punctuality", 3)
    home()
    feed.pull()
    both_sides_agree(ada)
    assert len(scores_of(ada, "mssql")) == 5


def test_an_agent_that_is_only_here_brings_its_rating_home(company, feed, make_agent, judge, home):
    feed.pull()
    switching.to_copy("test")
    ada = make_agent("Ada")
    for kind, score in (("manual", 5), ("review", 4), ("manual", "0.50")):
        judge(ada, kind, score)
    home()
    feed.pull()
    both_sides_agree(ada)
    assert len(scores_of(ada, "mssql")) == 3


def test_what_both_sides_saw_of_one_thing_is_the_primarys(company, feed, make_agent, judge, home):
    ada, bo = make_agent("Ada"), make_agent("Bo")
    feed.pull()
    switching.to_copy("test")
    judge(ada, "quality", 1, key="task/1")
    judge(ada, "review", 1, key="task/1")
    with company.writing_there():
        judge(ada, "quality", 4, key="task/1")
        judge(bo, "review", 5, key="task/1")
    home()
    feed.pull()
    for agent in (ada, bo):
        both_sides_agree(agent)
    assert parts_of(ada, "sqlite") == {"quality": (1, 400)}
    assert parts_of(bo, "sqlite") == {"review": (1, 500)}


def test_a_period_both_sides_evaluated_is_written_down_once(
    company, feed, make_agent, judge, home, system
):
    ada = make_agent("Ada")
    judge(ada, "quality", 4)
    feed.pull()
    switching.to_copy("test")
    evaluate_agents(actor=system)
    with company.writing_there():
        evaluate_agents(actor=system)
    home()
    feed.pull()
    for alias in ("mssql", "sqlite"):
        assert Evaluation.objects.using(alias).continuous().count() == 1
    both_sides_agree(ada)
