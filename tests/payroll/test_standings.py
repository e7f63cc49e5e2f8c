"""Standings are what the ledger adds up to: whatever was posted, reversed, replayed, in whatever
order, and on whatever day they are read."""

import itertools
import threading
from datetime import UTC, date, datetime, timedelta
from unittest import mock
from uuid import uuid4

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from payroll.derived import standings
from payroll.derived.standings import DAYS, rebuild_standings
from payroll.jobs import roll as job
from payroll.models import (
    AccountKind,
    EarningsDay,
    PayCycle,
    RodCoinsTransaction,
    Standing,
    StandingsDay,
    TransactionType,
)
from payroll.services.ledger import (
    Posting,
    company_account,
    post,
    wallet,
)
from payroll.services.standings import roll_standings
from rodcorp.databases.sides import active_alias
from rodcorp.databases.validation import validate
from rodcorp.errors import Conflict, PermissionRefused
from tests.payroll.earning import (
    NOON,
    assert_exact,
    award,
    kept,
    noon,
    on,
    plain,
    reverse,
    rolled,
    shown,
)
from tests.payroll.test_ledger_races import at_once

# each example has agents of its own: ledger rows cannot be deleted in between
COMPANIES = itertools.count()


@pytest.fixture
def today(monkeypatch):
    """A fixed day, that can be moved on."""
    day = standings.today()
    monkeypatch.setattr(standings, "today", lambda: day)

    def move(days):
        moved = day + timedelta(days=days)
        monkeypatch.setattr(standings, "today", lambda: moved)
        return moved

    move.day = day
    return move


AGENT = st.integers(0, 2)
STEP = st.one_of(
    st.tuples(
        st.just("award"),
        AGENT,
        st.integers(1, 500),
        st.sampled_from(["earned", "bonus", "adjustment", "deduction"]),
        st.sampled_from([0, 0, 0, 1, 2, 6, 7, 29, 30, 40]),
    ),
    st.tuples(st.just("salary"), AGENT, st.integers(1, 500), st.integers(1, 3)),
    st.tuples(st.just("reverse"), st.integers(0, 30)),
    st.tuples(st.just("night"), st.sampled_from([1, 1, 2, 6, 8, 31])),
    st.tuples(st.just("roll")),
    st.tuples(st.just("rebuild")),
)


def take(step, agents, alias, day):
    match step:
        case ("award", who, amount, kind, late):
            award(agents[who], amount, day - timedelta(days=late), kind)
        case ("salary", who, amount, cycle):
            on(day, lambda: post([salary(agents[who], amount, cycle)]))
        case ("reverse", position):
            rows = list(RodCoinsTransaction.objects.filter(agent__in=agents))
            rows.sort(key=lambda row: (row.created_at, row.source_key))
            if rows:
                reverse(rows[position % len(rows)], day)
        case ("roll",):
            rolled(alias, day)
        case ("rebuild",):
            on(day, lambda: rebuild_standings(alias))


def salary(agent, amount, cycle):
    return Posting(
        agent=agent,
        source=company_account(AccountKind.PAYROLL),
        target=wallet(agent),
        amount=amount,
        transaction_type=TransactionType.SALARY,
        description="x",
        cycle=cycle,
    )


@pytest.mark.django_db
class TestAnySequence:
    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(steps=st.lists(STEP, max_size=14))
    def test_standings_are_what_the_ledger_adds_up_to(self, steps, make_agent):
        alias, day = active_alias(), standings.today()
        company = f"company-{next(COMPANIES)}"
        agents = [make_agent(name, project=company) for name in ("A", "B", "C")]
        # what the example before left in its own time
        StandingsDay.objects.all().delete()
        EarningsDay.objects.all().delete()
        Standing.objects.all().delete()
        on(day, lambda: rebuild_standings(alias))
        with mock.patch.object(standings, "today", side_effect=lambda: day):
            for step in steps:
                if step[0] == "night":
                    day += timedelta(days=step[1])
                    continue
                try:
                    take(step, agents, alias, day)
                except Conflict:
                    continue
            self.assert_shown(alias, day)
            assert_exact(alias, day)
            self.assert_shown(alias, day)
            incremental = kept(alias)
            on(day, lambda: rebuild_standings(alias))
            assert kept(alias) == incremental

    def assert_shown(self, alias, day):
        """What a page shows, before and after the day was moved on."""
        periods, _ = plain(alias, day)
        for period in ("all", *DAYS, "cycle/1", "cycle/2"):
            expected = {
                key: (*parts, sum(parts))
                for key, parts in periods.items()
                if key[0] == period and sum(parts) > 0
            }
            assert shown(period, day) == expected, period


@pytest.mark.django_db
class TestRolling:
    @pytest.fixture
    def ada(self, make_agent):
        return make_agent("Ada")

    def total(self, period):
        return Standing.objects.get(period=period).total

    def test_what_fell_out_is_taken_off_once(self, ada, today):
        award(ada, 5, today.day)
        assert rolled(active_alias(), today(7))
        assert not rolled(active_alias(), today(7))
        assert not rolled(active_alias(), today(3))
        assert (self.total("7d"), self.total("30d"), self.total("all")) == (0, 5, 5)

    def test_days_on_which_nobody_rolled_are_made_up_for(self, ada, today):
        for day in range(40):
            award(ada, 1, today(day))
            if day == 3:
                rolled(active_alias(), today(day))
        assert_exact(active_alias(), today(39))
        assert (self.total("7d"), self.total("30d")) == (7, 30)

    def test_a_row_that_comes_late_counts_where_its_day_is_inside(self, ada, today):
        rolled(active_alias(), today.day)
        for late in (6, 7, 29, 30):
            award(ada, 1, today.day - timedelta(days=late))
        assert (self.total("7d"), self.total("30d"), self.total("all")) == (1, 3, 4)
        assert_exact(active_alias(), today(1))

    def test_the_job_moves_it_on_once_a_day(self, ada, today):
        award(ada, 5, today.day)
        assert [job(), job()] == [True, False]
        today(1)
        assert [job(), job()] == [True, False]
        assert StandingsDay.objects.get().day == today.day + timedelta(days=1)

    def test_nobody_without_the_right_moves_it_on(self, ada):
        with pytest.raises(PermissionRefused, match="run_system"):
            roll_standings(actor=ada.as_actor())

    def test_places_of_the_day_before_are_noted_with_ties(self, make_agent, today):
        agents = [make_agent(name) for name in "ABCD"]
        for agent, amount in zip(agents, (5, 9, 5, 1), strict=True):
            award(agent, amount, today.day)
        lost = award(make_agent("E"), 3, today.day)
        reverse(lost, today.day)
        rolled(active_alias(), today(1))
        for period in ("all", *DAYS, "cycle/1"):
            places = Standing.objects.filter(period=period).order_by("agent__name")
            assert [row.place_before for row in places] == [2, 1, 2, 4, None], period

    def test_a_place_is_the_one_at_midnight_although_a_day_fell_out_then(self, make_agent, today):
        """At the end of the day before, that day still counted."""
        a, b = make_agent("A"), make_agent("B")
        award(a, 9, today.day)
        award(b, 5, today(6))
        rolled(active_alias(), today(7))
        places = Standing.objects.filter(period="7d").order_by("agent__name")
        assert [(row.total, row.place_before) for row in places] == [(0, 1), (5, 2)]

    def test_places_in_a_closed_cycle_stay_as_they_were(self, ada, today):
        award(ada, 5, today.day)
        now = noon(today.day)
        PayCycle.objects.create(number=1, starts_at=now, ends_at=now + NOON, state="closed")
        rolled(active_alias(), today(1))
        assert Standing.objects.get(period="cycle/1").place_before is None
        assert Standing.objects.get(period="all").place_before == 1

    def test_standings_of_an_agent_that_is_gone_take_no_place(self, make_agent, today):
        a = make_agent("A")
        award(a, 5, today.day)
        Standing.objects.create(id=uuid4(), period="all", agent_id=uuid4(), total=9)
        rolled(active_alias(), today(1))
        assert Standing.objects.get(period="all", agent=a).place_before == 1


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    THREADS = 8

    def test_the_first_coins_of_agents_by_many_at_once_are_all_counted(self, make_agent):
        agents = [make_agent(f"agent-{number}") for number in range(4)]
        day = standings.today()

        def work(number):
            for agent in agents[number % 4 :] + agents[: number % 4]:
                award(agent, 1 + number, day)

        assert at_once(work, self.THREADS) == []
        total = sum(range(1, self.THREADS + 1))
        assert {row.total for row in Standing.objects.all()} == {total}
        assert_exact(active_alias(), day)

    def test_of_many_who_move_the_day_on_one_does(self, make_agent, today):
        ada, alias = make_agent("Ada"), active_alias()
        award(ada, 5, today.day)
        rolled(alias, today.day)
        next_week, answers = today(7), []

        def work(number):
            answers.append(rolled(alias, next_week))

        assert at_once(work, self.THREADS) == []
        assert sorted(answers) == [False] * (self.THREADS - 1) + [True]
        assert_exact(alias, next_week)
        assert Standing.objects.get(period="7d").total == 0

    def test_rows_that_come_late_while_the_day_is_moved_on_count_right(self, make_agent, today):
        ada, alias = make_agent("Ada"), active_alias()
        award(ada, 100, today.day)
        rolled(alias, today.day)
        next_day, old = today(1), today.day - timedelta(days=6)

        def work(number):
            if number == 3:
                rolled(alias, next_day)
            else:
                for _ in range(5):
                    award(ada, 1, old)

        assert at_once(work, self.THREADS) == []
        assert kept(alias) == plain(alias, next_day)

    def test_made_anew_while_coins_move_they_are_still_exact(self, make_agent):
        agents = [make_agent(f"agent-{number}") for number in range(3)]
        alias, day, stop = active_alias(), standings.today(), threading.Event()

        def work(number):
            if number == 0:
                for _ in range(6):
                    on(day, lambda: rebuild_standings(alias))
                stop.set()
            else:
                while not stop.is_set():
                    award(agents[number % 3], number, day)

        assert at_once(work, 4) == []
        assert_exact(alias, day)


@pytest.mark.django_db
@pytest.mark.sqlite_only("drops a table inside its transaction")
@pytest.mark.parametrize("table", ["Standings", "EarningsDays", "StandingsDay"])
def test_a_missing_table_is_found(table):
    with connections["sqlite"].cursor() as cursor:
        cursor.execute(f'DROP TABLE "{table}"')
    found = [(each.table, each.about) for each in validate("sqlite")]
    assert (table, "table") in found


def test_a_day_begins_at_midnight_in_utc():
    late = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    with mock.patch("rodcorp.databases.clock.now", return_value=late):
        assert standings.today() == date(2026, 3, 31)


@pytest.mark.django_db
def test_agents_total_is_their_standing_of_all_time(make_agent):
    ada = make_agent("Ada")
    award(ada, 5, standings.today() - timedelta(days=100))
    reverse(award(ada, 7, standings.today(), "bonus"), standings.today())
    assert Agent.objects.get().total_rodcoins_earned == Standing.objects.get(period="all").total
