import pytest

from agents.models import Agent
from payroll.errors import AlreadyReversed, InsufficientFunds, LedgerIsFinal
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import (
    NewAward,
    award_many,
    award_rodcoins,
    balance_of,
    reverse_transaction,
    transfer,
)
from rodcorp.errors import Conflict, InvalidInput, KeyReused, PermissionRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def pay(system):
    def pay(agent, amount, kind="earned", key=None):
        return award_rodcoins(
            actor=system,
            agent=agent,
            amount=amount,
            description="work",
            transaction_type=kind,
            key=key,
        )

    return pay


def total(agent):
    return Agent.objects.get(pk=agent.pk).total_rodcoins_earned


def test_earned_and_bonus_count_as_earnings_and_adjustments_do_not(make_agent, pay):
    agent = make_agent()
    pay(agent, 100)
    pay(agent, 20, "bonus")
    pay(agent, 5, "adjustment")
    assert (balance_of(agent), total(agent)) == (125, 120)


def test_a_deduction_takes_from_the_wallet_and_not_from_the_earnings(make_agent, pay):
    agent = make_agent()
    pay(agent, 100)
    pay(agent, 30, "deduction")
    assert (balance_of(agent), total(agent)) == (70, 100)


def test_a_deduction_the_wallet_cannot_cover_is_refused_and_writes_nothing(make_agent, pay):
    agent = make_agent()
    pay(agent, 10)
    with pytest.raises(InsufficientFunds, match="holds 10 RodCoins; 11 are needed"):
        pay(agent, 11, "deduction")
    assert (balance_of(agent), RodCoinsTransaction.objects.count()) == (10, 1)


@pytest.mark.parametrize("amount", [0, -5, 2.5, "3.5", "abc", None, True, 2**63, float("nan")])
def test_an_amount_that_is_no_positive_whole_number_is_refused(make_agent, pay, amount):
    agent = make_agent()
    with pytest.raises(InvalidInput, match="amount must be a whole number from 1"):
        pay(agent, amount)
    assert not RodCoinsTransaction.objects.exists()


def test_a_balance_beyond_the_column_is_refused(make_agent, pay):
    agent = make_agent()
    pay(agent, 2**63 - 1)
    with pytest.raises(InvalidInput, match="largest balance"):
        pay(agent, 1)


@pytest.mark.parametrize("kind", ["salary", "reversal", "transfer", "gift"])
def test_award_refuses_the_types_that_have_services_of_their_own(make_agent, pay, kind):
    with pytest.raises(InvalidInput, match="earned, bonus, adjustment, deduction"):
        pay(make_agent(), 5, kind)


def test_the_same_key_and_body_pay_once(make_agent, pay):
    agent = make_agent()
    first = pay(agent, 5, key="k1")
    assert pay(agent, 5, key="k1").pk == first.pk
    assert balance_of(agent) == 5


def test_the_same_key_with_another_body_is_refused(make_agent, pay):
    agent = make_agent()
    pay(agent, 5, key="k1")
    with pytest.raises(KeyReused):
        pay(agent, 6, key="k1")
    assert balance_of(agent) == 5


def test_a_key_pays_once_even_after_its_marker_is_gone(make_agent, pay):
    from rodcorp.databases.models import UnitMarker

    agent = make_agent()
    first = pay(agent, 5, key="k1")
    UnitMarker.objects.all().delete()
    assert pay(agent, 5, key="k1").pk == first.pk
    UnitMarker.objects.all().delete()
    with pytest.raises(Conflict, match="already moved 5"):
        pay(agent, 6, key="k1")
    assert balance_of(agent) == 5


def test_a_reversal_undoes_the_wallet_and_the_earnings(make_agent, pay, system):
    agent = make_agent()
    row = pay(agent, 40)
    reverse_transaction(actor=system, transaction=row, reason="mistake")
    assert (balance_of(agent), total(agent)) == (0, 0)


def test_a_second_reversal_is_refused(make_agent, pay, system):
    row = pay(make_agent(), 40)
    reverse_transaction(actor=system, transaction=row, reason="mistake")
    with pytest.raises(AlreadyReversed):
        reverse_transaction(actor=system, transaction=row, reason="again")


def test_a_reversal_is_not_reversed(make_agent, pay, system):
    row = pay(make_agent(), 40)
    undone = reverse_transaction(actor=system, transaction=row, reason="mistake")
    with pytest.raises(Conflict, match="reversal cannot be reversed"):
        reverse_transaction(actor=system, transaction=undone, reason="again")


def test_what_the_wallet_lacks_for_a_reversal_is_advanced_from_debt(make_agent, pay, system):
    agent = make_agent()
    row = pay(agent, 40)
    pay(agent, 30, "deduction")
    reverse_transaction(actor=system, transaction=row, reason="mistake")
    balances = dict(LedgerAccount.objects.filter(agent=agent).values_list("kind", "balance"))
    assert balances == {"wallet": 0, "debt": -30}


def test_a_transfer_moves_coins_and_nobody_earns(make_agent, pay, system):
    a, b = make_agent("A"), make_agent("B")
    pay(a, 10)
    transfer(actor=system, source=a, target=b, amount=4, description="lent")
    assert (balance_of(a), balance_of(b), total(a), total(b)) == (6, 4, 10, 0)


def test_many_awards_are_all_or_none(make_agent, system):
    a, b = make_agent("A"), make_agent("B")
    with pytest.raises(InsufficientFunds):
        award_many(
            actor=system,
            awards=[NewAward(a, 5, "x"), NewAward(b, 5, "x", "deduction")],
        )
    assert not RodCoinsTransaction.objects.exists()
    assert balance_of(a) == 0


def test_many_awards_pay_each_key_once(make_agent, system):
    agent = make_agent()
    awards = [NewAward(agent, 5, "x", key="a"), NewAward(agent, 6, "y", key="b")]
    first = award_many(actor=system, awards=awards)
    again = award_many(actor=system, awards=awards)
    assert [row.pk for row in again] == [row.pk for row in first]
    assert (balance_of(agent), total(agent)) == (11, 11)


def test_a_ledger_row_is_neither_changed_nor_deleted(make_agent, pay):
    row = pay(make_agent(), 5)
    row.amount = 6
    for attempt in (
        row.save,
        row.delete,
        RodCoinsTransaction.objects.all().delete,
        lambda: RodCoinsTransaction.objects.update(amount=6),
    ):
        with pytest.raises(LedgerIsFinal):
            attempt()


def test_an_agent_cannot_move_coins(make_agent):
    agent = make_agent()
    with pytest.raises(PermissionRefused, match="move_coins"):
        award_rodcoins(actor=agent.as_actor(), agent=agent, amount=5, description="mine")
