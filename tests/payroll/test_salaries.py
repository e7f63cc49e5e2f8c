from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payroll.models import PayrollMaster
from payroll.services.salaries import set_salary
from rodcorp.errors import InvalidInput, PermissionRefused

pytestmark = pytest.mark.django_db


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.fixture
def pay(system, make_agent):
    agent = make_agent()

    def pay(base_salary=100, since=None, **details):
        return set_salary(
            actor=system,
            agent=agent,
            base_salary=base_salary,
            effective_from=day(since) if since else None,
            **details,
        )

    return pay


def periods():
    rows = PayrollMaster.objects.order_by("effective_from")
    return [
        (row.base_salary, row.effective_from.day, row.effective_to and row.effective_to.day)
        for row in rows
    ]


def test_a_salary_holds_until_further_notice(pay):
    pay(100, since=1)
    assert periods() == [(100, 1, None)]


def test_the_next_one_ends_it(pay):
    pay(100, since=1)
    pay(200, since=10)
    assert periods() == [(100, 1, 10), (200, 10, None)]


def test_one_in_between_holds_until_the_later_one(pay):
    pay(100, since=1)
    pay(300, since=20)
    pay(200, since=10)
    assert periods() == [(100, 1, 10), (200, 10, 20), (300, 20, None)]


def test_one_before_the_first_ends_where_that_begins(pay):
    pay(200, since=10)
    pay(100, since=1)
    assert periods() == [(100, 1, 10), (200, 10, None)]


def test_a_period_that_had_ended_stays_as_it_was(pay):
    first = pay(100, since=1)
    PayrollMaster.objects.filter(pk=first.pk).update(effective_to=day(5))
    pay(200, since=10)
    assert periods() == [(100, 1, 5), (200, 10, None)]


def test_the_same_moment_again_corrects_the_row(pay):
    first = pay(100, since=1)
    again = pay(150, since=1, bonus=5)
    assert again.pk == first.pk
    assert periods() == [(150, 1, None)]
    assert [row.history_type for row in first.history.order_by("history_date")] == ["+", "~"]


def test_without_a_moment_it_holds_from_now(pay):
    before = datetime.now(UTC)
    assert before <= pay().effective_from <= datetime.now(UTC)


def test_agents_do_not_end_each_others_salaries(pay, make_agent, system):
    pay(100, since=1)
    set_salary(actor=system, agent=make_agent("Eve"), base_salary=7, effective_from=day(10))
    assert periods() == [(100, 1, None), (7, 10, None)]


def test_multipliers_keep_two_decimals(pay):
    row = pay(seniority_multiplier="1.5", performance_multiplier=0.75)
    row.refresh_from_db()
    assert (row.seniority_multiplier, row.performance_multiplier) == (
        Decimal("1.50"),
        Decimal("0.75"),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_salary", -1),
        ("base_salary", 2.5),
        ("base_salary", 1_000_000_001),
        ("bonus", "many"),
        ("seniority_multiplier", "-0.01"),
        ("seniority_multiplier", "1.005"),
        ("performance_multiplier", "100.01"),
        ("performance_multiplier", float("nan")),
        ("performance_multiplier", True),
        ("performance_multiplier", None),
    ],
)
def test_a_bad_value_is_refused_and_named(pay, field, value):
    with pytest.raises(InvalidInput, match=field) as refusal:
        pay(**{field: value})
    assert refusal.value.field == field
    assert not PayrollMaster.objects.exists()


def test_no_agent_sets_a_salary(make_agent):
    agent = make_agent()
    with pytest.raises(PermissionRefused, match="move_coins"):
        set_salary(actor=agent.as_actor(), agent=agent, base_salary=1)
