"""Thousands of postings in one call: the same rules as for one, in a few statements."""

from collections import Counter
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from payroll.derived import standings
from payroll.derived.adding import lock_order
from payroll.errors import InsufficientFunds
from payroll.models import AccountKind, LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import (
    NewAward,
    accounts_of,
    award_many,
    award_rodcoins,
    balance_of,
    reverse_transaction,
    transfer,
)
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows
from tests.payroll.earning import assert_exact
from tests.payroll.test_ledger_races import at_once, ledger_balance

pytestmark = pytest.mark.django_db

MOST = 2**63 - 1


@pytest.fixture
def agents(system):
    """`agents(n)`: so many, with wallets."""

    def make(count):
        made = [
            Agent(
                id=uuid4(),
                name=f"agent-{number:04}",
                project="bulk",
                machine_hostname="host",
                machine_ip="127.0.0.1",
            )
            for number in range(count)
        ]

        def work(unit):
            rows.insert_many(made)
            accounts_of(made, AccountKind.WALLET)

        run_in_unit(work, actor=system, operation="test")
        return made

    return make


@pytest.fixture
def pay_all(system):
    def pay_all(agents, amount=5, kind="earned"):
        awards = [NewAward(agent, amount, "x", kind) for agent in agents]
        return award_many(actor=system, awards=awards)

    return pay_all


def statements(work):
    """How many a call sends to the company's database."""
    with CaptureQueriesContext(connections[active_alias()]) as asked:
        work()
    return len(asked)


class TestHowManyStatements:
    def test_an_award_takes_as_many_however_many_there_were(self, make_agent, system):
        agent = make_agent()

        def award():
            award_rodcoins(actor=system, agent=agent, amount=1, description="x")

        award()
        first = statements(award)
        for _ in range(20):
            award()
        # in and out of the unit; treasury, wallet, cycle; wallet, total, day, standings, the row
        assert statements(award) == first == 11

    def test_hundreds_take_a_few_more_than_one(self, agents, pay_all):
        some = agents(350)
        pay_all(some)
        assert statements(lambda: pay_all(some[:1])) == 11
        assert statements(lambda: pay_all(some)) <= 22

    def test_they_grow_by_the_hundred_and_not_by_the_row(self, agents, pay_all):
        many = agents(1200)
        pay_all(many)
        few = statements(lambda: pay_all(many[:400]))
        assert statements(lambda: pay_all(many)) <= 3 * few


class TestWhatIsMoved:
    def test_balances_totals_and_standings_are_those_of_the_rows(self, agents, pay_all):
        many = agents(900)
        pay_all(many, 7)
        pay_all(many[:500], 3, "deduction")
        pay_all(many[200:], 2, "bonus")
        pay_all([*many[:10], *many[:10]], 1)
        for agent in (many[0], many[300], many[899]):
            assert balance_of(agent) == ledger_balance(agent)
        wallets = LedgerAccount.objects.filter(kind="wallet")
        balances = Counter(wallets.values_list("balance", flat=True))
        assert balances == {6: 310, 4: 190, 9: 400}
        totals = Counter(Agent.objects.values_list("total_rodcoins_earned", flat=True))
        assert totals == {9: 710, 7: 190}
        assert_exact(active_alias(), standings.today())

    def test_coins_that_go_out_and_come_in_by_one_call_need_not_be_there_before(
        self, agents, system
    ):
        some = agents(8)
        awards = [NewAward(agent, 5, "in") for agent in some]
        awards += [NewAward(agent, 4, "out", "deduction") for agent in some]
        award_many(actor=system, awards=awards)
        assert {balance_of(agent) for agent in some} == {1}


class TestWhatIsRefused:
    """All of it or nothing, and the refusal names who it was about."""

    @pytest.mark.parametrize("count", [2, 30, 900])
    @pytest.mark.parametrize("position", [0, -1])
    def test_the_wallet_that_cannot_pay_is_named(self, agents, pay_all, count, position):
        many = agents(count)
        poor = many[position]
        pay_all([agent for agent in many if agent is not poor], 10)
        pay_all([poor], 9)
        before = RodCoinsTransaction.objects.count()
        with pytest.raises(InsufficientFunds, match=rf"{poor.name}'s wallet holds 9 RodCoins; 10"):
            pay_all(many, 10, "deduction")
        assert RodCoinsTransaction.objects.count() == before
        assert balance_of(poor) == 9
        assert balance_of(many[1 if position == 0 else 0]) == 10
        assert_exact(active_alias(), standings.today())

    @pytest.mark.parametrize("count", [1, 6, 500])
    def test_a_balance_beyond_the_column_is_refused(self, agents, pay_all, count):
        many = agents(count)
        pay_all(many[-1:], MOST, "adjustment")
        with pytest.raises(InvalidInput, match="largest balance") as refusal:
            pay_all(many, 1, "adjustment")
        assert refusal.value.field == "amount"
        assert balance_of(many[-1]) == MOST
        assert balance_of(many[0]) == (MOST if count == 1 else 0)

    @pytest.mark.parametrize("count", [1, 6])
    def test_a_total_beyond_the_column_is_refused(self, agents, pay_all, count):
        many = agents(count)
        pay_all(many[-1:], MOST)
        pay_all(many[-1:], MOST, "deduction")
        with pytest.raises(
            InvalidInput, match=rf"What {many[-1].name} has earned in all"
        ) as refusal:
            pay_all(many, 1)
        assert refusal.value.field == "amount"
        assert balance_of(many[0]) == 0

    def test_a_balance_as_large_as_the_column_is_not(self, agents, pay_all):
        [agent] = agents(1)
        pay_all([agent], MOST - 1)
        pay_all([agent], 1)
        assert balance_of(agent) == MOST

    @pytest.mark.parametrize("amount", [0, -5, 2.5, "3.5", "abc", None, True, 2**63, float("nan")])
    def test_one_amount_that_is_no_positive_whole_number_refuses_all(self, agents, system, amount):
        a, b = agents(2)
        with pytest.raises(InvalidInput, match="amount must be a whole number from 1") as refusal:
            award_many(actor=system, awards=[NewAward(a, 5, "x"), NewAward(b, amount, "x")])
        assert refusal.value.field == "amount"
        assert not RodCoinsTransaction.objects.exists()


class TestTheSameKey:
    @pytest.fixture
    def pay(self, system):
        def pay(agent, amount=5, description="work", kind="earned", key="k1"):
            return award_rodcoins(
                actor=system,
                agent=agent,
                amount=amount,
                description=description,
                transaction_type=kind,
                key=key,
            )

        return pay

    def test_the_same_body_has_the_same_answer_after_its_marker_is_gone(self, make_agent, pay):
        agent = make_agent()
        first = pay(agent)
        UnitMarker.objects.all().delete()
        assert pay(agent, "5", "  work ", "EARNED").pk == first.pk
        assert balance_of(agent) == 5

    @pytest.mark.parametrize(
        "other",
        [{"amount": 6}, {"description": "other work"}, {"kind": "bonus"}, {"kind": "adjustment"}],
    )
    def test_any_other_body_is_a_conflict(self, make_agent, pay, other):
        agent = make_agent()
        pay(agent)
        UnitMarker.objects.all().delete()
        with pytest.raises(Conflict, match=r"already moved 5 RodCoins \(earned: work\)") as refusal:
            pay(agent, **other)
        assert (refusal.value.http_status, refusal.value.field) == (409, "key")
        assert balance_of(agent) == 5

    def test_another_agent_is_another_body(self, make_agent, pay):
        ada, eve = make_agent("Ada"), make_agent("Eve")
        pay(ada)
        UnitMarker.objects.all().delete()
        with pytest.raises(Conflict, match="already moved"):
            pay(eve)
        assert (balance_of(ada), balance_of(eve)) == (5, 0)

    def test_a_transfer_from_somebody_else_is_another_body(self, make_agent, pay, system):
        ada, eve, bob = (make_agent(name) for name in ("Ada", "Eve", "Bob"))
        pay(ada)
        pay(eve, key="k2")
        transfer(actor=system, source=ada, target=bob, amount=1, description="x", key="t")
        UnitMarker.objects.all().delete()
        with pytest.raises(Conflict, match="already moved"):
            transfer(actor=system, source=eve, target=bob, amount=1, description="x", key="t")
        assert balance_of(bob) == 1

    def test_many_with_one_changed_body_pay_nothing(self, agents, system):
        some = agents(20)
        awards = [NewAward(agent, 5, "x", key=agent.name) for agent in some[:10]]
        award_many(actor=system, awards=awards)
        awards = [NewAward(agent, 5, "x", key=agent.name) for agent in some]
        awards[3].description = "y"
        with pytest.raises(Conflict, match="already moved"):
            award_many(actor=system, awards=awards)
        assert RodCoinsTransaction.objects.count() == 10

    def test_a_key_twice_in_one_call_is_refused(self, make_agent, system):
        agent = make_agent()
        with pytest.raises(InvalidInput, match="twice") as refusal:
            award_many(
                actor=system,
                awards=[NewAward(agent, 5, "x", key="a"), NewAward(agent, 5, "x", key="A")],
            )
        assert refusal.value.field == "key"

    def test_a_row_that_was_reversed_is_still_the_answer(self, make_agent, pay, system):
        agent = make_agent()
        first = pay(agent)
        reverse_transaction(actor=system, transaction=first, reason="mistake")
        UnitMarker.objects.all().delete()
        assert pay(agent).pk == first.pk
        assert balance_of(agent) == 0


@given(st.lists(st.uuids(), min_size=2, max_size=2))
def test_locks_are_taken_in_the_order_of_sql_server(pair):
    """Its groups last to first; the first three as their bytes are stored, lowest first."""

    def order(key):
        low, mid, high, clock, node = str(key).split("-")
        reverse = [bytes.fromhex(part)[::-1] for part in (high, mid, low)]
        return [bytes.fromhex(node), bytes.fromhex(clock), *reverse]

    a, b = pair
    assert (lock_order(a) < lock_order(b)) == (order(a) < order(b))


def test_sql_servers_own_example_of_an_order():
    """https://learn.microsoft.com/dotnet/framework/data/adonet/sql/comparing-guid-and-uniqueidentifier-values"""
    given = [
        UUID("3aaaaaaa-bbbb-cccc-dddd-2eeeeeeeeeee"),
        UUID("2aaaaaaa-bbbb-cccc-dddd-1eeeeeeeeeee"),
        UUID("1aaaaaaa-bbbb-cccc-dddd-3eeeeeeeeeee"),
    ]
    assert [str(key)[0] for key in sorted(given, key=lock_order)] == ["2", "3", "1"]


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_bulk_and_single_postings_to_the_same_agents_add_up(self, agents, pay_all, system):
        many = agents(60)
        pay_all(many, 1000)

        def work(number):
            mine = many[number::2] + many[: number * 3]
            for _ in range(3):
                if number % 2:
                    pay_all(mine, 1, "deduction" if number % 3 else "bonus")
                else:
                    for agent in mine[:4]:
                        award_rodcoins(actor=system, agent=agent, amount=2, description="x")

        assert at_once(work, 8) == []
        for agent in many:
            assert balance_of(agent) == ledger_balance(agent)
        assert_exact(active_alias(), standings.today())

    def test_wallets_are_never_overdrawn_by_bulk_spends_at_once(self, agents, pay_all):
        many = agents(40)
        pay_all(many, 100)
        errors = at_once(lambda number: pay_all(many, 30, "deduction"), 6)
        assert [type(error) for error in errors] == [InsufficientFunds] * 3
        assert {balance_of(agent) for agent in many} == {10}
