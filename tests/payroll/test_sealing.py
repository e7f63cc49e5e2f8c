"""Seals of closed pay cycles: whoever gets past the triggers is found, and the row is named."""

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from payroll.errors import CycleOutOfOrder
from payroll.models import LedgerAccount, LedgerSeal, PayCycle, RodCoinsTransaction
from payroll.proof import Kind, prove
from payroll.services.ledger import reverse_transaction, transfer
from payroll.services.sealing import COLUMNS, ROWS_A_SEAL, digest_of, entry_of, last_digest, seal
from rodcorp.databases.ids import new_id
from rodcorp.databases.models import Conflict
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import RodCorpError
from tests.payroll.tampering import (
    SYSTEM,
    booked,
    close,
    move_to,
    open_cycle,
    past_triggers,
    pay,
    run_sql,
)
from tests.payroll.test_ledger_properties import STEP, take

pytestmark = pytest.mark.django_db

LEDGER, SEALS = "RodCoinsTransactions", "LedgerSeals"


def found(alias=None):
    """What is wrong: (kind, row, cycle) of each."""
    return [(flaw.kind, flaw.row, flaw.cycle) for flaw in prove(alias or active_alias()).flaws]


@pytest.fixture
def small_seals(monkeypatch):
    monkeypatch.setattr("payroll.services.sealing.ROWS_A_SEAL", 2)


@pytest.fixture
def company(make_agent, small_seals):
    """Two closed cycles of five and three rows, in three seals and two, and one that is open."""
    ada, bob = make_agent("Ada"), make_agent("Bob")
    open_cycle(1)
    for amount in (10, 20, 30, 40):
        pay(ada, amount)
    transfer(actor=SYSTEM, source=ada, target=bob, amount=5, description="x")
    close(1)
    for amount in (50, 60, 70):
        pay(bob, amount)
    close(2)
    pay(ada, 80)
    return ada


def spoil(sql, *parameters):
    with past_triggers():
        assert run_sql(sql, *parameters) > 0


def set_column(row, column, value):
    spoil(f'UPDATE "{LEDGER}" SET "{column}" = %s WHERE "TransactionUUID" = %s', value, row.pk)


def without_books(flaws):
    """Without what a spoilt row does to balances and totals."""
    books = (Kind.BALANCE, Kind.TOTAL, Kind.OVERDRAWN)
    return [flaw for flaw in flaws if flaw[0] not in books]


# --- sealing ------------------------------------------------------------------------------------
def test_a_closed_company_is_proved(company):
    proof = prove(active_alias())
    assert proof.flaws == []
    assert (proof.cycles, proof.seals, proof.transactions) == (2, 5, 9)
    assert proof.last_digest == last_digest(active_alias())


def test_a_seal_names_its_rows_in_order_and_follows_the_one_before(company):
    seals = list(LedgerSeal.objects.order_by("cycle__number", "position"))
    assert [(seal.cycle.number, seal.position, seal.row_count) for seal in seals] == [
        (1, 1, 2),
        (1, 2, 2),
        (1, 3, 1),
        (2, 1, 2),
        (2, 2, 1),
    ]
    sealed = [key for seal in seals[:3] for key, _ in json.loads(seal.rows)]
    assert sealed == [str(row.pk) for row in booked(1)]
    assert [seal.previous for seal in seals] == ["", *[seal.digest for seal in seals[:-1]]]
    assert {seal.actor_name for seal in seals} == {"test"}


def test_a_seal_holds_some_hundred_rows():
    assert 100 <= ROWS_A_SEAL <= 1_000


def test_every_column_of_a_row_is_sealed():
    """Whoever adds one decides what becomes of the digests there are."""
    assert set(COLUMNS) == {field.attname for field in RodCoinsTransaction._meta.concrete_fields}


def test_closing_says_how_many_rows_were_sealed(make_agent):
    agent = make_agent()
    open_cycle(1)
    pay(agent, 1)
    pay(agent, 2)
    assert (close(1), close(2)) == (2, 0)
    assert prove(active_alias()).flaws == []


def test_a_cycle_is_not_sealed_before_it_is_closed_nor_twice(company):
    def again(number):
        cycle = PayCycle.objects.get(number=number)
        run_in_unit(lambda unit: seal(cycle), actor=SYSTEM, operation="test.seal")

    with pytest.raises(CycleOutOfOrder, match="when it is closed"):
        again(3)
    for number in (1, 2):
        with pytest.raises(CycleOutOfOrder, match="sealed already"):
            again(number)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_digests_of_a_row_and_of_a_seal_are_over_these_texts():
    """On every engine, and for ever: what was sealed must be found as it was."""
    key, moment = UUID(int=7), datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC)
    row = (key, None, key, key, 12, "earned", "größer", "task", "a/1", None, 3, moment, moment)
    entry = entry_of((*row, "system", "x", "x", "", ""))
    ident, at = "00000000-0000-0000-0000-000000000007", "2026-01-02T03:04:05.000060+00:00"
    assert entry.id == ident
    assert entry.digest == sha256(
        f'["{ident}",null,"{ident}","{ident}",12,"earned","gr\\u00f6\\u00dfer","task","a/1",null,'
        f'3,"{at}","{at}","system","x","x","",""]'
    )
    made = LedgerSeal(
        position=1,
        previous="abc",
        rows="[]",
        row_count=0,
        sealed_at=moment,
        actor_kind="system",
        actor_id="x",
        actor_name="y",
    )
    assert digest_of(made, 3) == sha256(f'[3,1,"abc","[]",0,"{at}","system","x","y","",""]')


# --- what is found ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Amount", 21),
        ("Description", "other"),
        ("TransactionType", "bonus"),
        ("SourceKey", "other"),
        ("ActorName", "somebody else"),
        ("OccurredAt", "2020-01-01 00:00:00"),
    ],
)
def test_a_row_that_was_changed_is_named(company, column, value):
    row = booked(1)[1]
    set_column(row, column, value)
    assert without_books(found()) == [(Kind.CHANGED, row.pk, 1)]


def test_a_row_that_was_moved_to_another_cycle_is_named(company):
    row = booked(2)[1]
    set_column(row, "PayCycle", 3)
    [flaw] = prove(active_alias()).flaws
    assert (flaw.kind, flaw.row, flaw.cycle) == (Kind.CHANGED, row.pk, 2)
    assert "pay cycle 3" in flaw.said


def test_a_row_that_was_removed_is_named(company):
    row = booked(1)[2]
    spoil(f'DELETE FROM "{LEDGER}" WHERE "TransactionUUID" = %s', row.pk)
    assert without_books(found()) == [(Kind.REMOVED, row.pk, 1)]


def test_a_row_that_was_booked_after_the_seal_is_named(company):
    row = pay(company, 1)
    set_column(row, "PayCycle", 1)
    assert found() == [(Kind.ADDED, row.pk, 1)]


def test_two_rows_that_were_swapped_are_named(company):
    one, _, other, *_ = booked(1)
    set_column(one, "CreatedAt", stored_time(other.created_at))
    set_column(other, "CreatedAt", stored_time(one.created_at))
    named = Counter(without_books(found()))
    changed = [(Kind.CHANGED, one.pk, 1), (Kind.CHANGED, other.pk, 1)]
    assert Counter(changed) <= named
    moved = [row for kind, row, _ in named if kind is Kind.REORDERED]
    assert len(named) == 2 + len(moved)
    assert moved


def stored_time(moment):
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def forged(seal, **values):
    """Written over, with the digest it must have then."""
    for name, value in values.items():
        setattr(seal, name, value)
    seal.digest = digest_of(seal, seal.cycle.number)
    with past_triggers():
        LedgerSeal.objects.filter(pk=seal.pk).update(**values, digest=seal.digest)


def test_rows_whose_order_was_changed_in_a_seal_made_anew_are_named(company):
    [first, second, *_] = LedgerSeal.objects.filter(cycle__number=1).order_by("position")
    one, other = json.loads(first.rows)
    forged(first, rows=json.dumps([other, one]))
    kinds = [(kind, cycle) for kind, _, cycle in found()]
    assert kinds == [(Kind.SEAL_OUT_OF_CHAIN, 1), (Kind.REORDERED, 1)]
    assert found()[0][1] == second.pk


@pytest.mark.parametrize("column", ["SealedRows", "PreviousDigest", "Digest", "ActorName"])
def test_a_seal_that_was_changed_is_named(company, column):
    seal = LedgerSeal.objects.get(cycle__number=1, position=2)
    value = {"SealedRows": "[]"}.get(column, "f" * 64)
    spoil(f'UPDATE "{SEALS}" SET "{column}" = %s WHERE "SealUUID" = %s', value, seal.pk)
    assert (Kind.SEAL_CHANGED, seal.pk, 1) in found()


def test_a_row_and_its_seal_that_were_both_changed_break_the_chain(company):
    row = booked(2)[0]
    set_column(row, "Description", "better")
    row.refresh_from_db()
    entry = entry_of([getattr(row, name) for name in COLUMNS])
    first = LedgerSeal.objects.get(cycle__number=2, position=1)
    sealed = [[key, digest] for key, digest in json.loads(first.rows)]
    sealed[0][1] = entry.digest
    forged(first, rows=json.dumps(sealed))
    second = LedgerSeal.objects.get(cycle__number=2, position=2)
    assert found() == [(Kind.SEAL_OUT_OF_CHAIN, second.pk, 2)]


@pytest.mark.parametrize("text", ["", "no json", "{}", '[["x", 1]]', "[1, 2]", "null"])
def test_a_seal_that_cannot_be_read_is_named_and_the_rest_is_looked_at(company, text):
    seal = LedgerSeal.objects.get(cycle__number=1, position=2)
    spoil(f'UPDATE "{SEALS}" SET "SealedRows" = %s WHERE "SealUUID" = %s', text, seal.pk)
    row = booked(2)[0]
    set_column(row, "Description", "other")
    kinds = without_books(found())
    assert (Kind.SEAL_CHANGED, seal.pk, 1) in kinds
    assert (Kind.CHANGED, row.pk, 2) in kinds


@pytest.mark.parametrize("position", [1, 2])
def test_a_seal_that_is_gone_is_missed(company, position):
    seal = LedgerSeal.objects.get(cycle__number=1, position=position)
    spoil(f'DELETE FROM "{SEALS}" WHERE "SealUUID" = %s', seal.pk)
    flaws = prove(active_alias()).flaws
    assert [(flaw.kind, flaw.cycle) for flaw in flaws] == [(Kind.SEAL_MISSING, 1), (Kind.ADDED, 1)]
    assert f"seal {position} " in flaws[0].said
    assert "2 rows" in flaws[1].said


def test_the_last_seal_of_a_cycle_is_missed_by_the_next_cycles_first(company):
    seal = LedgerSeal.objects.get(cycle__number=1, position=3)
    spoil(f'DELETE FROM "{SEALS}" WHERE "SealUUID" = %s', seal.pk)
    follower = LedgerSeal.objects.get(cycle__number=2, position=1)
    assert (Kind.SEAL_OUT_OF_CHAIN, follower.pk, 2) in found()


def test_a_closed_cycle_without_any_seal_is_told_of(company):
    spoil(f'DELETE FROM "{SEALS}"')
    assert found() == [(Kind.NOT_SEALED, None, 1), (Kind.NOT_SEALED, None, 2)]


def test_a_cycle_that_was_opened_again_is_told_of(company):
    move_to(2, "draft")
    assert {(kind, cycle) for kind, _, cycle in found()} == {(Kind.SEAL_OUT_OF_CHAIN, 2)}


def test_a_digest_that_was_noted_is_looked_for(company):
    noted = last_digest(active_alias())
    assert prove(active_alias(), known=noted).flaws == []
    pay(company, 1)
    close(3)
    assert prove(active_alias(), known=noted).flaws == []
    [flaw] = prove(active_alias(), known="f" * 64).flaws
    assert flaw.kind is Kind.DIGEST


# --- books --------------------------------------------------------------------------------------
def test_a_balance_or_a_total_that_is_not_the_ledgers_sum_is_named(company):
    purse = LedgerAccount.objects.get(agent=company, kind="wallet")
    LedgerAccount.objects.filter(pk=purse.pk).update(balance=1)
    Agent.objects.filter(pk=company.pk).update(total_rodcoins_earned=2)
    flaws = prove(active_alias()).flaws
    assert [(flaw.kind, flaw.row) for flaw in flaws] == [
        (Kind.BALANCE, purse.pk),
        (Kind.TOTAL, company.pk),
    ]
    assert "holds 1; by the ledger it is 175" in flaws[0].said
    assert "has earned 2; by the ledger it is 180" in flaws[1].said


def test_a_wallet_below_zero_needs_a_conflict_that_tells_of_it(company):
    row = RodCoinsTransaction.objects.get(cycle=3)
    set_column(row, "Amount", 1_000)
    spoil(
        f'UPDATE "{LEDGER}" SET "FromAccountUUID" = "ToAccountUUID", "ToAccountUUID" = '
        f'"FromAccountUUID", "TransactionType" = \'deduction\' WHERE "TransactionUUID" = %s',
        row.pk,
    )
    purse = LedgerAccount.objects.get(agent=company, kind="wallet")
    LedgerAccount.objects.filter(pk=purse.pk).update(balance=95 - 1_000)
    Agent.objects.filter(pk=company.pk).update(total_rodcoins_earned=100)
    assert found() == [(Kind.OVERDRAWN, purse.pk, None)]
    told = Conflict(
        pk=new_id(),
        kind="conflict",
        unit=new_id(),
        host=new_id(),
        operation="x",
        caller="x",
        table_name="LedgerAccounts",
        row_key=purse.pk,
        rule="x",
        happened_at=row.created_at,
        recorded_at=row.created_at,
    )
    told.save(force_insert=True)
    assert found() == []
    Conflict.objects.update(resolved_at=row.created_at)
    assert found() == [(Kind.OVERDRAWN, purse.pk, None)]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Amount", 79, "it takes back 79 of 80"),
        ("TransactionType", "deduction", "a deduction reverses a earned"),
        ("ReversesUUID", None, "says of no row"),
    ],
)
def test_a_reversal_that_is_none_is_named(company, column, value, said):
    paid = RodCoinsTransaction.objects.get(cycle=3)
    undone = reverse_transaction(actor=SYSTEM, transaction=paid, reason="x")
    assert found() == []
    set_column(undone, column, value)
    [flaw] = [flaw for flaw in prove(active_alias()).flaws if flaw.kind is Kind.REVERSAL]
    assert (flaw.row, flaw.cycle) == (undone.pk, 3)
    assert said in flaw.said


def test_a_reversal_into_another_purse_is_named(company):
    paid = RodCoinsTransaction.objects.get(cycle=3)
    undone = reverse_transaction(actor=SYSTEM, transaction=paid, reason="x")
    other = LedgerAccount.objects.get(agent__name="Bob", kind="wallet")
    set_column(undone, "ToAccountUUID", other.pk)
    [flaw] = [flaw for flaw in prove(active_alias()).flaws if flaw.kind is Kind.REVERSAL]
    assert "not between the accounts" in flaw.said


# --- the command --------------------------------------------------------------------------------
def verify(*arguments):
    said = StringIO()
    failed = None
    try:
        call_command("verify_ledger", *arguments, stdout=said)
    except CommandError as error:
        failed = (str(error), error.returncode)
    return said.getvalue(), failed


def test_the_command_says_what_it_read_and_the_digest_to_keep(company):
    said, failed = verify()
    assert failed is None
    assert "9 rows of the ledger, 2 closed pay cycles with 5 seals" in said
    assert last_digest(active_alias()) in said
    assert "as it was sealed" in said


def test_the_command_names_what_is_wrong_and_fails(company):
    row = booked(1)[0]
    set_column(row, "Description", "other")
    said, failed = verify()
    assert f"WRONG row changed, in pay cycle 1, {row.pk}: it is not what was sealed" in said
    assert failed == ("1 things are wrong with the ledger.", 1)


def test_the_command_tells_programs(company):
    row = booked(1)[0]
    set_column(row, "Description", "other")
    said, failed = verify("--json")
    told = json.loads(said)
    assert failed[1] == 1
    assert (told["database"], told["transactions"]) == (active_alias(), 9)
    assert told["flaws"] == [
        {
            "kind": "row changed",
            "said": "it is not what was sealed",
            "row": str(row.pk),
            "cycle": 1,
        }
    ]


def test_the_command_looks_for_a_digest_that_was_noted(company):
    assert verify("--known", last_digest(active_alias()).upper())[1] is None
    assert verify("--known", "f" * 64)[1] is not None


def test_the_command_reads_the_database_that_is_named(company):
    said, failed = verify("--database", active_alias(), "--json")
    assert (json.loads(said)["database"], failed) == (active_alias(), None)


@pytest.mark.sqlite_only("where no SQL Server is configured")
def test_the_command_knows_which_databases_there_are(company):
    assert verify("--database", "mssql")[1] == ("There is no database 'mssql' here.", 1)


# --- sequences ----------------------------------------------------------------------------------
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.one_of(STEP, st.just("close")), max_size=15),
)
def test_whatever_is_done_in_whatever_order_is_proved(steps, make_agent):
    names = [f"{name}-{PayCycle.objects.count()}-{Agent.objects.count()}" for name in "ABC"]
    agents = [make_agent(name) for name in names]
    if not PayCycle.objects.exists():
        open_cycle(1)
    for step in steps:
        if step == "close":
            close(PayCycle.objects.current_number())
            continue
        try:
            take(step, agents, SYSTEM)
        except RodCorpError:
            continue
    proof = prove(active_alias())
    assert proof.flaws == []
    assert proof.transactions == RodCoinsTransaction.objects.count()
    sealed = sum(LedgerSeal.objects.values_list("row_count", flat=True))
    assert (
        sealed
        == RodCoinsTransaction.objects.filter(cycle__lt=PayCycle.objects.current_number()).count()
    )
