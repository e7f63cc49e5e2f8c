"""What a payslip's lines are, from terms, rules and movements alone."""

from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payroll.errors import PayTooLarge
from payroll.models import LineKind, TransactionType
from payroll.pay import Bonus, Factor, Movement, Terms, pay_of, rounded
from rodcorp.kit.validation import BIGINT_MAX

PAID = ("base", "seniority", "performance", "bonus", "rounding")


def terms(base=100, seniority="1.00", performance="1.00", bonus=0):
    by_level = Factor(Decimal(seniority), "senior")
    return Terms(base, "agreed", by_level, Factor(Decimal(performance), "rated 4.21:"), bonus)


def movement(kind="earned", amount=5, *, reversed_type=None, source=("award", "k"), text="x"):
    return Movement(uuid4(), kind, amount, text, *source, reversed_type)


def shown(pay):
    return [(line.kind.value, line.basis, line.amount) for line in pay.lines]


def test_each_multiplier_has_a_line_that_names_its_input():
    assert shown(pay_of(terms(100, "1.50", "1.10"))) == [
        ("base", "agreed", 100),
        ("seniority", "senior × 1.50", 50),
        ("performance", "rated 4.21: × 1.10", 15),
    ]


def test_what_changes_nothing_has_no_line():
    assert shown(pay_of(terms(100))) == [("base", "agreed", 100)]


@pytest.mark.parametrize(
    ("amount", "coins"),
    [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-0.5", 0), ("-1.5", -2), ("-2.5", -2), ("2.51", 3)],
)
def test_a_half_goes_to_the_even_number(amount, coins):
    assert rounded(Decimal(amount)) == coins


def test_the_performance_line_follows_from_the_exact_product_not_from_rounded_coins():
    # 5 times 1.10 is 5.5: a line of half a coin goes to the even 0, and then it is 5.5 again
    assert shown(pay_of(terms(5, "1.10", "2.00"))) == [
        ("base", "agreed", 5),
        ("performance", "rated 4.21: × 2.00", 6),
    ]


def test_rounding_never_makes_a_salary_less_than_nothing():
    pay = pay_of(terms(3, "0.50", "0.00"))
    assert [(line.kind.value, line.amount) for line in pay.lines] == [
        ("base", 3),
        ("seniority", -2),
        ("performance", -2),
        ("rounding", 1),
    ]
    assert pay.net == pay.due == 0


def test_bonuses_say_what_they_are_for():
    bonuses = [
        Bonus("fixed", "Language", 5),
        Bonus("per_task", "Tasks", 5),
        Bonus("rating", "Praised", 7, Decimal("4.00")),
        Bonus("rating", "Adored", 9, Decimal("4.50")),
    ]
    pay = pay_of(terms(bonus=3), bonuses=bonuses, tasks=7, rating=Decimal("4.21"))
    assert [(line.label, line.basis, line.amount) for line in pay.lines[1:]] == [
        ("Bonus of the cycle", "agreed", 3),
        ("Language", "every cycle", 5),
        ("Tasks", "7 tasks × 5", 35),
        ("Praised", "rated 4.21, at least 4.00", 7),
    ]


def test_a_bonus_for_tasks_nobody_finished_has_no_line():
    assert len(pay_of(terms(), bonuses=[Bonus("per_task", "Tasks", 5)]).lines) == 1


def test_movements_are_explained_with_their_sign_and_their_transaction():
    moved = [
        movement("earned", 10, source=("task", "t-1/2"), text="Done"),
        movement("bonus", 3),
        movement("adjustment", 2),
        movement("deduction", 4, text="Tiles"),
        movement("reversal", 10, reversed_type="earned"),
        movement("reversal", 4, reversed_type="deduction"),
        movement("reversal", 90, reversed_type="salary"),
    ]
    pay = pay_of(None, movements=moved)
    assert shown(pay) == [
        ("award", "task t-1, round 2", 10),
        ("award", "bonus", 3),
        ("award", "adjustment", 2),
        ("deduction", "deduction", -4),
        ("reversal", "earned taken back", -10),
        ("reversal", "deduction given back", 4),
        ("reversal", "salary taken back", -90),
    ]
    assert [line.transaction for line in pay.lines] == [each.transaction for each in moved]
    assert (pay.net, pay.due, pay.recovered) == (-85, 0, 0)


def test_transfers_salaries_and_reversals_of_transfers_are_no_pay():
    moved = [
        movement("transfer"),
        movement("salary"),
        movement("reversal", reversed_type="transfer"),
    ]
    assert pay_of(None, movements=moved).lines == []


@pytest.mark.parametrize(("debt", "kept", "due"), [(0, 0, 100), (30, 30, 70), (170, 100, 0)])
def test_a_debt_is_recovered_up_to_the_salary(debt, kept, due):
    pay = pay_of(terms(100), debt=debt, movements=[movement(amount=8)])
    assert (pay.recovered, pay.due, pay.net) == (kept, due, due + 8)
    recoveries = [line.amount for line in pay.lines if line.kind is LineKind.RECOVERY]
    assert recoveries == ([-kept] if kept else [])


def test_without_a_salary_no_debt_is_recovered():
    assert pay_of(None, debt=30, movements=[movement()]).recovered == 0


@pytest.mark.parametrize(
    "bonuses",
    [
        [Bonus("per_task", "Tasks", BIGINT_MAX)],
        [Bonus("fixed", "a", BIGINT_MAX - 100), Bonus("fixed", "b", 1)],
    ],
)
def test_a_payslip_over_the_largest_amount_is_refused(bonuses):
    with pytest.raises(PayTooLarge, match="lower the bonus rules"):
        pay_of(terms(), bonuses=bonuses, tasks=2)


def test_the_largest_salary_is_exact():
    pay = pay_of(terms(10**18 + 1, "1.01", "1.01"))
    # 10**18 + 1 times 0.01, and 0.0101 times it
    assert [line.amount for line in pay.lines] == [10**18 + 1, 10**16, 10100000000000000]


MULTIPLIERS = st.decimals(min_value=0, max_value=100, places=2)
MOVEMENTS = st.lists(
    st.builds(
        Movement,
        st.just(UUID(int=1)),
        st.sampled_from(TransactionType.values),
        st.integers(1, 10**6),
        st.just("x"),
        st.sampled_from(["task", "award", "direct"]),
        st.just("k/1"),
        st.none(),
    ).map(
        lambda row: row._replace(
            reversed_type="earned" if row.transaction_type == "reversal" else None
        )
    ),
    max_size=6,
)
BONUSES = st.lists(
    st.builds(
        Bonus,
        st.sampled_from(["fixed", "per_task", "rating"]),
        st.just("x"),
        st.integers(1, 10**6),
        st.decimals(min_value=0, max_value=5, places=2),
    ),
    max_size=4,
)


@given(
    base=st.integers(0, 10**9),
    seniority=MULTIPLIERS,
    performance=MULTIPLIERS,
    bonuses=BONUSES,
    tasks=st.integers(0, 100),
    rating=st.decimals(min_value=0, max_value=5, places=2),
    movements=MOVEMENTS,
    debt=st.integers(0, 10**12),
)
def test_the_lines_rebuild_the_net_and_what_is_due(
    base, seniority, performance, bonuses, tasks, rating, movements, debt
):
    own = terms(base, str(seniority), str(performance))
    pay = pay_of(own, bonuses=bonuses, tasks=tasks, rating=rating, movements=movements, debt=debt)
    paid = sum(line.amount for line in pay.lines if line.kind in PAID)
    assert pay.net == sum(line.amount for line in pay.lines)
    assert pay.due == paid - pay.recovered >= 0
    assert pay.recovered == min(debt, paid)
    assert all(line.amount for line in pay.lines)
    booked = [line for line in pay.lines if line.kind in ("award", "deduction", "reversal")]
    assert all((line.transaction is None) == (line not in booked) for line in pay.lines)
    assert pay == pay_of(
        own, bonuses=bonuses, tasks=tasks, rating=rating, movements=movements, debt=debt
    )


@given(base=st.integers(0, 10**9), seniority=MULTIPLIERS, performance=MULTIPLIERS)
def test_every_line_is_within_half_a_coin_of_the_exact_product(base, seniority, performance):
    pay = pay_of(terms(base, str(seniority), str(performance)))
    by_kind = {line.kind.value: line.amount for line in pay.lines}
    graded = base * Fraction(seniority)
    exact = {
        "seniority": graded - base,
        "performance": graded * (Fraction(performance) - 1),
    }
    for kind, amount in exact.items():
        # Python rounds a fraction half to even
        assert by_kind.get(kind, 0) == round(amount)
