"""Analytics against the same thing computed the plain way."""

import json
import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import isclose
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from payroll import analytics
from payroll.models import PayCycle, RodCoinsTransaction
from payroll.services.ledger import (
    Posting,
    award_rodcoins,
    company_account,
    pay_task_reward,
    post,
    reverse_transaction,
    wallet,
)
from payroll.web.analytics import report
from rodcorp.databases.ids import natural_id
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import rows
from tests.pages import csv_of, queries

# in the company's database and in this host's file: who asks, and the session
PAGE_QUERIES = (11, 1)
# the cycles; spend by cycle and by team; tasks by team and by project; spread; outliers; forecast
REPORT_QUERIES = 9

START = datetime(2026, 1, 1, tzinfo=UTC)
coins = st.integers(min_value=-(10**12), max_value=10**15)


# --- arithmetic ----------------------------------------------------------------------------------


def plain_scores(values):
    """As the literature writes it, in floats."""
    middle = statistics.median(values)
    deviations = [abs(value - middle) for value in values]
    mad = statistics.median(deviations)
    if mad:
        return [0.6745 * (value - middle) / mad for value in values]
    mean = statistics.fmean(deviations)
    return [(value - middle) / (1.253314 * mean) if mean else 0.0 for value in values]


@given(st.lists(coins, min_size=1, max_size=60))
def test_robust_scores_are_those_of_the_literature(values):
    found = analytics.robust_scores(values)
    for score, expected in zip(found, plain_scores(values), strict=True):
        assert isclose(score, expected, rel_tol=1e-6, abs_tol=1e-9)


@given(st.lists(coins, min_size=1, max_size=40), coins, st.integers(min_value=1, max_value=10**6))
def test_robust_scores_do_not_depend_on_place_and_unit(values, moved, factor):
    found = analytics.robust_scores(values)
    assert analytics.robust_scores([value * factor + moved for value in values]) == found


@given(coins, st.integers(min_value=1, max_value=50))
def test_where_all_are_the_same_nothing_is_far(value, count):
    assert analytics.robust_scores([value] * count) == [0.0] * count


def test_one_among_many_that_are_the_same_is_far():
    scores = analytics.robust_scores([100] * 20 + [500])
    assert scores[:20] == [0.0] * 20
    assert scores[20] > analytics.OUTLIER


def test_no_values_have_no_scores():
    assert analytics.robust_scores([]) == []


@given(st.lists(st.integers(min_value=-(10**6), max_value=10**6), min_size=2, max_size=50))
def test_quantiles_are_those_of_the_library(values):
    ordered = sorted(values)
    hundredths = statistics.quantiles(ordered, n=100, method="inclusive")
    for share in range(1, 100):
        expected = hundredths[share - 1]
        assert isclose(analytics.quantile(ordered, share), expected, rel_tol=1e-9, abs_tol=1e-9)
    assert analytics.quantile(ordered, 0) == ordered[0]
    assert analytics.quantile(ordered, 100) == ordered[-1]


@given(st.integers(min_value=0, max_value=2**63 - 1), st.integers(min_value=0, max_value=100))
def test_the_quantiles_of_one_value_are_that_value(value, share):
    assert analytics.quantile([value], share) == value


@given(st.lists(coins, min_size=1, max_size=200))
def test_a_histogram_counts_everybody_once(values):
    bins = analytics.histogram(sorted(values))
    assert 1 <= len(bins) <= analytics.BINS
    assert sum(each.agents for each in bins) == len(values)
    for each in bins:
        inside = [value for value in values if each.start <= value <= each.end]
        assert each.agents == len(inside)
    for one, following in pairwise(bins):
        assert following.start == one.end + 1
    assert bins[0].agents > 0
    assert bins[-1].agents > 0


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=3, max_size=24))
def test_a_forecast_is_honest_about_what_it_would_have_missed(amounts):
    spent = list(enumerate(amounts, start=1))
    ahead = analytics.predict(spent)
    assert ahead.cycle == len(amounts) + 1
    assert [(cycle, actual) for cycle, _, actual in ahead.tried] == spent[2:]
    missed = [abs(guess - actual) for _, guess, actual in ahead.tried]
    # the error is of the exact forecasts, those shown are rounded and never below 0
    if min(amounts) == max(amounts):
        assert (ahead.amount, ahead.error) == (amounts[0], 0)
    assert statistics.fmean(missed) <= ahead.error + 1
    # the last cycle as a forecast is the least anybody can do
    naive = [abs(actual - before) for before, actual in pairwise(amounts[1:])]
    assert ahead.error <= statistics.fmean(naive) + 0.5


def test_of_equals_the_simplest_method_is_taken():
    assert analytics.predict([(1, 5), (2, 5), (3, 5)]).method == "as the last cycle"


def test_what_grows_by_the_same_is_forecast_to_go_on():
    ahead = analytics.predict([(number, 100 * number) for number in range(1, 7)])
    assert (ahead.method, ahead.amount, ahead.error) == ("drift", 700, 0)


def test_what_goes_up_and_down_is_smoothed():
    ahead = analytics.predict([(number, 100 + 50 * (number % 2)) for number in range(1, 13)])
    assert ahead.method == "exponential smoothing"
    assert 100 < ahead.amount < 150


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_cycles_are_too_few_for_a_forecast(count):
    assert analytics.predict([(number, 5) for number in range(1, count + 1)]) is None


# --- from the database ---------------------------------------------------------------------------


@pytest.fixture
def history(system, make_agent):
    """Agents who earned in some cycles, which are closed but for the last: `history(cycles)`."""

    def history(cycles=4, agents=7):
        people = [
            make_agent(
                f"agent {number}",
                project=f"project {number % 2}",
                team=("Core", "Data", None)[number % 3],
            )
            for number in range(agents)
        ]
        for number in range(1, cycles + 1):
            at = START + timedelta(days=14 * number)
            cycle = PayCycle(
                id=natural_id("pay cycle", number),
                number=number,
                starts_at=at,
                ends_at=at + timedelta(days=14),
            )
            run_in_unit(lambda unit, c=cycle: rows.insert(c), actor=system, operation="test")
            for place, agent in enumerate(people):
                earn(system, agent, number, place)
            if number < cycles:
                PayCycle.objects.filter(pk=cycle.pk).update(state="closed")
        return people

    return history


def earn(system, agent, number, place):
    task = uuid4()
    pay_task_reward(
        actor=system, agent=agent, task_id=task, round_number=1, amount=10 + place, description="x"
    )
    undone = pay_task_reward(
        actor=system,
        agent=agent,
        task_id=uuid4(),
        round_number=1,
        amount=40 + number,
        description="y",
    )
    reverse_transaction(actor=system, transaction=undone, reason="z")
    award_rodcoins(
        actor=system, agent=agent, amount=5 + number, description="b", transaction_type="bonus"
    )
    award_rodcoins(
        actor=system, agent=agent, amount=2, description="d", transaction_type="deduction"
    )
    run_in_unit(
        lambda unit: post(
            [
                Posting(
                    agent=agent,
                    source=company_account("payroll"),
                    target=wallet(agent),
                    amount=100 * (place + 1) + number,
                    transaction_type="salary",
                    description="Salary",
                    cycle=number,
                )
            ]
        ),
        actor=system,
        operation="test",
    )


EARNING = ("earned", "bonus", "salary")


def plain_earnings():
    """By cycle and agent, by type, the way a person would add up the ledger."""
    found = defaultdict(Counter)
    for row in RodCoinsTransaction.objects.select_related("agent", "reverses"):
        if row.transaction_type in EARNING:
            found[row.cycle, row.agent][row.transaction_type] += row.amount
        elif row.reverses and row.reverses.transaction_type in EARNING:
            found[row.cycle, row.agent][row.reverses.transaction_type] -= row.amount
    return found


@pytest.mark.django_db
class TestAgainstTheLedger:
    def test_spend_by_team_and_cycle_is_the_sum_of_its_rows(self, history):
        history()
        expected = defaultdict(Counter)
        agents = Counter()
        for (cycle, agent), amounts in plain_earnings().items():
            expected[cycle, agent.team or ""].update(amounts)
            agents[cycle, agent.team or ""] += 1
        found = analytics.spend_by_team([1, 2, 3, 4])
        assert len(found) == len(expected) == 12
        assert [(spend.cycle, spend.team) for spend in found] == sorted(expected)
        for spend in found:
            key = (spend.cycle, spend.team)
            split = {"earned": spend.earned, "bonus": spend.bonus, "salary": spend.salary}
            assert split == expected[key]
            assert (spend.total, spend.agents) == (sum(split.values()), agents[key])

    def test_only_the_cycles_asked_for_count(self, history):
        history()
        assert {spend.cycle for spend in analytics.spend_by_team([2, 9])} == {2}
        assert {cost.cycle for cost in analytics.task_costs([2, 9])} == {2}
        assert analytics.spend_by_cycle([2, 9])[9] == 0

    def test_spend_by_cycle_is_that_of_all_teams(self, history):
        history()
        expected = Counter()
        for spend in analytics.spend_by_team([1, 2, 3, 4]):
            expected[spend.cycle] += spend.total
        assert analytics.spend_by_cycle([1, 2, 3, 4]) == expected

    @pytest.mark.parametrize("by", ["team", "project"])
    def test_a_task_costs_what_rewards_that_stand_paid(self, history, by):
        history()
        expected = defaultdict(list)
        for row in RodCoinsTransaction.objects.filter(source_kind="task").select_related("agent"):
            if not row.reversals.exists():
                expected[row.cycle, getattr(row.agent, by) or ""].append(row.amount)
        found = analytics.task_costs([1, 2, 3, 4], by)
        assert [(cost.cycle, cost.group) for cost in found] == sorted(expected)
        for cost in found:
            amounts = expected[cost.cycle, cost.group]
            assert (cost.tasks, cost.coins) == (len(amounts), sum(amounts))
            exact = Fraction(sum(amounts), len(amounts))
            assert abs(Fraction(cost.each) - exact) <= Fraction(1, 200)

    def test_the_distribution_is_of_everybodys_total(self, history):
        history()
        totals = [
            sum(amounts.values()) for (cycle, _), amounts in plain_earnings().items() if cycle == 2
        ]
        found = analytics.distribution(2)
        assert (found.agents, found.total) == (len(totals), sum(totals))
        quantiles = dict(found.quantiles)
        assert quantiles[50] == Decimal(str(statistics.median(totals)))
        assert (quantiles[0], quantiles[100]) == (min(totals), max(totals))

    def test_nobody_earned_nothing_is_spread(self, history):
        history()
        assert analytics.distribution(99) is None
        assert analytics.outliers(99) == []

    def test_whoever_earned_far_more_is_an_outlier_with_a_reason(self, history, system):
        people = history(cycles=1)
        award_rodcoins(actor=system, agent=people[0], amount=90_000, description="!")
        (found,) = analytics.outliers(1)
        assert (found.agent, found.name, found.total) == (people[0].pk, "agent 0", 90_117)
        assert found.score > analytics.OUTLIER
        assert found.reason.startswith("90,117 is 89,")
        assert " above the median of " in found.reason
        assert "half of all are within" in found.reason

    def test_where_most_earned_the_same_the_reason_says_so(self, system, make_agent):
        for number in range(9):
            amount = 100 if number else 900
            agent = make_agent(f"agent {number}")
            award_rodcoins(actor=system, agent=agent, amount=amount, description="x")
        (found,) = analytics.outliers(1)
        assert found.reason == (
            "900 is 800 above the median of 100; more than half of all earned exactly that."
        )

    def test_a_forecast_is_of_what_was_paid_and_not_of_the_open_cycle(self, history):
        history(cycles=5)
        ahead = analytics.forecast()
        spent = analytics.spend_by_cycle([1, 2, 3, 4])
        assert ahead == analytics.predict(sorted(spent.items()))
        assert ahead.cycle == 5

    def test_two_paid_cycles_are_too_few(self, history):
        history(cycles=3)
        assert analytics.forecast() is None

    def test_each_answer_takes_as_many_queries_however_much_there_is(self, history, system):
        def asked():
            with CaptureQueriesContext(connections[active_alias()]) as captured:
                report(cycles=24)
            return len(captured)

        people = history(cycles=4, agents=3)
        few = asked()
        for agent in people * 10:
            award_rodcoins(actor=system, agent=agent, amount=3, description="x")
        assert asked() == few == REPORT_QUERIES


@pytest.mark.django_db
class TestThePage:
    url = "/payroll/analytics/"

    def test_it_takes_as_many_queries_however_much_there_is(self, browser, history, system):
        client = browser("viewer")
        people = history()
        few = queries(client, self.url)
        for agent in people * 5:
            award_rodcoins(actor=system, agent=agent, amount=3, description="x")
        assert queries(client, self.url) == few == PAGE_QUERIES

    def test_it_shows_what_the_functions_say(self, browser, history):
        history()
        response = browser("viewer").get(self.url)
        page = response.text
        for total in analytics.spend_by_cycle([1, 2, 3, 4]).values():
            assert f"{total:,}" in page
        ahead = analytics.forecast()
        assert f"{ahead.amount:,} RodCoins" in page
        assert ahead.method in page
        assert response.context["about"].number == 3

    def test_the_exports_say_the_same(self, browser, history):
        history()
        client = browser("viewer")
        told = json.loads(client.get(f"{self.url}?export=json").content)
        made = report()
        csv_rows = csv_of(client, f"{self.url}?export=csv")

        def values(part, what):
            return [row["Value"] for row in csv_rows if (row["Part"], row["What"]) == (part, what)]

        spent = list(made.spent.values())
        assert [each["total"] for each in told["spend"]] == spent
        assert values("spend", "total") == [str(total) for total in spent]
        totals = [spend.total for spend in made.spend]
        assert [each["total"] for each in told["spend_by_team"]] == totals
        assert values("spend by team", "total") == [str(total) for total in totals]
        each = [str(cost.each) for cost in made.by_team]
        assert [cost["each"] for cost in told["task_costs_by_team"]] == each
        assert values("tasks by team", "each") == each
        assert told["forecast"]["amount"] == made.forecast.amount
        assert values("forecast", "amount") == [str(made.forecast.amount)]
        assert told["distribution"]["agents"] == made.distribution.agents

    def test_the_cycle_and_how_many_are_chosen(self, browser, history):
        history()
        client = browser("viewer")
        response = client.get(f"{self.url}?cycle=2&cycles=3")
        assert response.context["about"].number == 2
        assert [cycle.number for cycle in response.context["report"].cycles] == [2, 3, 4]

    @pytest.mark.parametrize("query", ["?cycle=none", "?cycles=5000", "?cycle=77", "?cycle=-1"])
    def test_what_cannot_be_read_is_left_out_and_said(self, browser, history, query):
        history()
        response = browser("viewer").get(self.url + query)
        assert response.context["about"].number == 3
        assert "Select a valid choice" in response.text

    def test_without_a_cycle_it_says_so(self, browser):
        client = browser("viewer")
        assert "There is no pay cycle yet." in client.get(self.url).text
        assert json.loads(client.get(f"{self.url}?export=json").content)["cycle"] is None
        assert csv_of(client, f"{self.url}?export=csv") == []

    def test_with_few_cycles_it_says_so(self, browser, history):
        history(cycles=2)
        assert "Too few cycles" in browser("viewer").get(self.url).text

    @pytest.mark.parametrize("role", ["viewer", "supervisor", "payroll", "operator", "admin"])
    def test_every_role_sees_it(self, browser, role):
        assert browser(role).get(self.url).status_code == 200

    def test_strangers_are_sent_to_the_login_page(self):
        response = Client().get(self.url)
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")

    def test_the_sidebar_marks_only_the_page_one_is_on(self, browser):
        client = browser("viewer")
        for url, expected in ((self.url, ["Analytics"]), ("/payroll/", ["Payroll"])):
            groups = client.get(url).context["sidebar_navigation"]
            here = [item["title"] for group in groups for item in group["items"] if item["active"]]
            assert here == expected
