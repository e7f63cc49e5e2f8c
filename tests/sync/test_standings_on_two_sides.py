"""Standings are not copied: each side makes its own from the rows of the ledger it gets."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payroll.derived import standings
from payroll.models import EarningsDay, PayCycle, RodCoinsTransaction, Standing, StandingsDay
from payroll.services.standings import roll_standings
from rodcorp.databases import switching
from rodcorp.databases.mode import Mode
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.sync.compare import compare
from rodcorp.databases.sync.healing import Healer
from rodcorp.errors import Conflict
from tests.payroll.earning import (
    NOON,
    SYSTEM,
    assert_exact,
    award,
    kept,
    noon,
    plain,
    reverse,
    rolled,
    shown,
)


@pytest.fixture
def today(monkeypatch):
    """A fixed day, that can be moved on."""
    day = standings.today()
    monkeypatch.setattr(standings, "today", lambda: day)

    def move(days):
        moved = day + timedelta(days=days)
        monkeypatch.setattr(standings, "today", lambda: moved)
        return moved

    move.day, move.passed = day, 0
    return move


@pytest.fixture
def ada(source, make_agent):
    return make_agent("Ada")


@pytest.fixture
def home(source):
    return lambda: Healer(source).heal("test")


def test_they_are_not_among_what_is_copied():
    assert not {EarningsDay, Standing, StandingsDay} & set(replicated_models())


def test_the_copy_makes_them_as_it_is_filled_and_as_it_is_fed(ada, feed, make_agent):
    paid = award(ada, 5, standings.today())
    feed.pull()
    reverse(paid, standings.today())
    award(make_agent("Eve"), 7, standings.today(), "bonus")
    feed.pull()
    assert kept("sqlite") == kept("mssql") == plain("mssql", standings.today())
    feed.reseed()
    assert kept("sqlite") == plain("mssql", standings.today())


def test_rows_of_both_sides_count_on_both(company, ada, feed, home, same):
    award(ada, 5, standings.today())
    feed.pull()
    switching.to_copy("test")
    award(ada, 7, standings.today(), "bonus")
    with company.writing_there():
        award(ada, 11, standings.today())
    home()
    feed.pull()
    same()
    for alias in ("mssql", "sqlite"):
        assert kept(alias) == plain("mssql", standings.today())
        assert Standing.objects.using(alias).get(period="all").total == 23


def test_what_was_earned_in_an_outage_counts_on_its_own_day(company, ada, feed, home, same, today):
    award(ada, 5, today.day)
    feed.pull()
    switching.to_copy("test")
    award(ada, 7, today(1))
    with company.writing_there():
        today(9)
        rolled("mssql", today(9))
    home()
    feed.pull()
    same()
    assert kept("mssql") == plain("mssql", today(9))
    assert not shown("7d", today(9))
    assert_exact("mssql", today(10))


def test_each_side_is_moved_on_by_itself(company, ada, feed, home, today):
    award(ada, 5, today.day)
    feed.pull()
    rolled("mssql", today(8))
    assert standings.reached("sqlite") == today.day
    switching.to_copy("test")
    assert not shown("7d", today(8))
    assert roll_standings(actor=SYSTEM)
    assert kept("sqlite") == kept("mssql")
    assert home().quarantined == 0


def test_a_row_rebooked_in_another_cycle_counts_there(company, ada, feed, home, same):
    now = noon(standings.today())
    cycle = PayCycle.objects.using("mssql").create(number=1, starts_at=now, ends_at=now + NOON)
    feed.pull()
    switching.to_copy("test")
    award(ada, 5, standings.today())
    assert Standing.objects.using("sqlite").filter(period="cycle/1", total=5).exists()
    PayCycle.objects.using("mssql").filter(pk=cycle.pk).update(state="closed")
    home()
    feed.pull()
    same()
    for alias in ("mssql", "sqlite"):
        assert kept(alias) == plain("mssql", standings.today())
        assert Standing.objects.using(alias).filter(period="cycle/2", total=5).exists()


def test_that_they_differ_is_nothing_to_compare(ada, feed, source, today):
    award(ada, 5, today.day)
    feed.pull()
    rolled("mssql", today(8))
    assert kept("sqlite") != kept("mssql")
    found = list(compare(source))
    assert {each.table for each in found if each.differing} == set()
    assert not {"Standings", "EarningsDays", "StandingsDay"} & {each.table for each in found}


STEP = st.one_of(
    st.tuples(st.just("award"), st.integers(0, 1), st.integers(1, 99), st.integers(0, 8)),
    st.tuples(st.just("award there"), st.integers(0, 1), st.integers(1, 99), st.integers(0, 8)),
    st.tuples(st.just("reverse"), st.integers(0, 20)),
    st.tuples(st.sampled_from(["pull", "roll", "away", "home"])),
    st.tuples(st.just("night"), st.sampled_from([1, 1, 7, 30])),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=12))
def test_both_sides_are_exact_after_any_sequence(steps, company, feed, home, two_agents, today):
    for step in [*steps, ("home",), ("pull",)]:
        if step[0] == "night":
            # examples follow each other, as days do
            today.passed += step[1]
        else:
            take(step, company, two_agents, feed, home, today(today.passed))
    for alias in ("mssql", "sqlite"):
        reached = standings.reached(alias) or standings.NEVER
        assert kept(alias) == plain("mssql", reached)


@pytest.fixture
def two_agents(ada, make_agent):
    return [ada, make_agent("Eve")]


def take(step, company, agents, feed, home, day):
    is_away = company.modes.read().mode is not Mode.PRIMARY
    match step:
        case ("award", who, amount, late):
            award(agents[who], amount, day - timedelta(days=late))
        case ("award there", who, amount, late):
            with company.writing_there():
                award(agents[who], amount, day - timedelta(days=late), "bonus")
        case ("reverse", position):
            rows = list(RodCoinsTransaction.objects.order_by("created_at", "source_key"))
            if rows:
                try:
                    reverse(rows[position % len(rows)], day)
                except Conflict:
                    return
        case ("roll",):
            roll_standings(actor=SYSTEM)
        case ("pull",) if not is_away:
            feed.pull()
        case ("away",) if not is_away:
            feed.pull()
            switching.to_copy("test")
        case ("home",) if is_away:
            home()
