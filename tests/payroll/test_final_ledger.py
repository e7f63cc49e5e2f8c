"""A row of the ledger is never changed or deleted, and a pay cycle that is over takes none: whoever
asks, the database refuses."""

import sqlite3
from contextlib import closing

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connections

from payroll.errors import CycleClosed, LedgerIsFinal
from payroll.models import (
    AccountKind,
    LedgerSeal,
    PayCycle,
    PayCycleState,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.proof import prove
from payroll.services.ledger import (
    balance_of,
    company_account,
    reverse_transaction,
    wallet,
)
from payroll.triggers import CLOSED, FINAL, OWN_PAYMENT, SEALED, takes
from rodcorp.actors import Permission
from rodcorp.databases import refusals
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.databases.validation import validate
from rodcorp.kit.services import SERVICES, service
from rodcorp.operations.start import start
from tests.databases.live import needs_server
from tests.payroll.tampering import (
    SYSTEM,
    book,
    close,
    in_transaction,
    open_cycle,
    pay,
    run_sql,
)

pytestmark = pytest.mark.django_db

LEDGER = "RodCoinsTransactions"
TRIGGERS = {
    "sqlite": [f"{LEDGER}_NoUpdate", f"{LEDGER}_NoDelete", f"{LEDGER}_NoReplace"],
    "microsoft": [f"{LEDGER}_Final"],
}


@pytest.fixture
def row(make_agent):
    return pay(make_agent(), 10)


def as_it_is(row):
    found = RodCoinsTransaction.objects.filter(pk=row.pk)
    return list(found.values_list("amount", "description", "cycle", "source_key"))


def connection():
    return connections[active_alias()]


def is_over():
    """On SQL Server an error ends the transaction, the test's too: nothing can be read any more."""
    return connection().needs_rollback


def refused(work, text):
    """What the database said."""
    with (
        pytest.raises(DatabaseError, match=text) as caught,
        in_transaction(),
    ):
        work()
    return caught.value


# --- models and querysets -----------------------------------------------------------------------
WAYS = {
    "save": lambda row: row.save(),
    "delete": lambda row: row.delete(),
    "update": lambda row: RodCoinsTransaction.objects.update(amount=1),
    "delete all": lambda row: RodCoinsTransaction.objects.filter(amount=10).delete(),
    "raw delete": lambda row: RodCoinsTransaction.objects.all()._raw_delete(active_alias()),
    "bulk update": lambda row: RodCoinsTransaction.objects.bulk_update([row], ["amount"]),
    "update or create": lambda row: RodCoinsTransaction.objects.update_or_create(
        pk=row.pk, defaults={"amount": 1}
    ),
    "create over": lambda row: RodCoinsTransaction.objects.bulk_create(
        [row], update_conflicts=True, update_fields=["amount"], unique_fields=["pk"]
    ),
    "create beside": lambda row: RodCoinsTransaction.objects.bulk_create(
        [row], ignore_conflicts=True
    ),
    "by an account": lambda row: row.target.receipts.update(amount=1),
}


@pytest.mark.parametrize("way", WAYS)
def test_models_and_querysets_refuse_to_change_or_delete_a_row(row, way):
    before = as_it_is(row)
    with pytest.raises(LedgerIsFinal, match="ledger"):
        WAYS[way](row)
    assert as_it_is(row) == before


def test_rows_that_are_new_may_be_inserted_in_bulk(row):
    again = RodCoinsTransaction(
        source=row.source,
        target=row.target,
        agent=row.agent,
        amount=1,
        transaction_type=TransactionType.EARNED,
        source_kind="bulk",
        source_key="1",
        occurred_at=row.occurred_at,
        created_at=row.created_at,
    )
    RodCoinsTransaction.objects.bulk_create([again])
    assert RodCoinsTransaction.objects.count() == 2


@pytest.mark.parametrize("page", ["change", "delete"])
def test_the_admin_neither_changes_nor_deletes_a_row(browser, row, page):
    before = as_it_is(row)
    address = f"/admin/payroll/rodcoinstransaction/{row.pk}/{page}/"
    assert browser("admin").post(address, {"amount": "1", "post": "yes"}).status_code == 403
    assert as_it_is(row) == before


# --- the database -------------------------------------------------------------------------------
PAST_THE_QUERYSET = {
    "update": lambda row: RodCoinsTransaction._base_manager.filter(pk=row.pk).update(amount=1),
    "update of nothing": lambda row: RodCoinsTransaction._base_manager.update(amount=row.amount),
    "delete": lambda row: RodCoinsTransaction._base_manager.all()._raw_delete(active_alias()),
    "sql update": lambda row: run_sql(f'UPDATE "{LEDGER}" SET "Description" = %s', "other"),
    "sql delete": lambda row: run_sql(
        f'DELETE FROM "{LEDGER}" WHERE "TransactionUUID" = %s', row.pk
    ),
}


@pytest.mark.parametrize("way", PAST_THE_QUERYSET)
def test_the_database_refuses_to_change_or_delete_a_row_and_says_what_to_do(row, way):
    before = as_it_is(row)
    error = refused(lambda: PAST_THE_QUERYSET[way](row), "reverse it instead")
    assert FINAL in str(error)
    assert classify(error, Phase.WRITING).kind is Kind.DATA
    assert is_over() or as_it_is(row) == before


def test_a_statement_that_meets_no_row_is_not_refused(row):
    assert run_sql(f'DELETE FROM "{LEDGER}" WHERE "Amount" = %s', 11) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: LedgerSeal.objects.update(previous="x"),
        lambda: LedgerSeal.objects.all().delete(),
    ],
)
def test_a_seal_is_neither_changed_nor_deleted(row, spoil):
    open_cycle(1)
    close(1)
    refused(spoil, SEALED)
    assert is_over() or prove(active_alias()).flaws == []


def test_what_the_database_refused_is_a_refusal_of_the_service(row):
    def change(*, actor):
        RodCoinsTransaction._base_manager.filter(pk=row.pk).update(amount=1)

    spoil = service("test.spoil", needs=Permission.MOVE_COINS)(change)
    try:
        with pytest.raises(LedgerIsFinal, match="reverse it instead"):
            spoil(actor=SYSTEM)
    finally:
        del SERVICES["test.spoil"]


@pytest.mark.sqlite_only("INSERT OR REPLACE is SQLite's")
def test_a_row_is_not_replaced_by_another_of_its_id_its_cause_or_its_reversal(row):
    undone = reverse_transaction(actor=SYSTEM, transaction=row, reason="x")
    names = [field.column for field in RodCoinsTransaction._meta.concrete_fields]
    columns = ", ".join(f'"{name}"' for name in names)
    for change in (
        {},
        {"TransactionUUID": "'0'"},
        {"TransactionUUID": "'0'", "SourceKey": "'another'"},
    ):
        values = ", ".join(change.get(name, f'"{name}"') for name in names)
        sql = (
            f'INSERT OR REPLACE INTO "{LEDGER}" ({columns}) SELECT {values} FROM "{LEDGER}" '
            'WHERE "TransactionUUID" = %s'
        )
        error = refused(lambda sql=sql: run_sql(sql, undone.pk), "UNIQUE constraint failed")
        assert classify(error, Phase.WRITING).kind is Kind.DUPLICATE
    assert RodCoinsTransaction.objects.count() == 2


def test_a_duplicate_is_still_a_duplicate(row):
    copy = RodCoinsTransaction.objects.get(pk=row.pk)
    copy._state.adding = True
    error = refused(lambda: copy.save(force_insert=True), "(?i)unique|duplicate")
    assert isinstance(error, IntegrityError)
    assert classify(error, Phase.WRITING).kind is Kind.DUPLICATE


@pytest.mark.sqlite_only("another program that opens the file")
@pytest.mark.django_db(transaction=True)
def test_another_program_is_refused_and_told_what_to_do(row):
    open_cycle(1)
    close(1)
    before = as_it_is(row)
    names = [f'"{f.column}"' for f in RodCoinsTransaction._meta.concrete_fields]
    every = ", ".join(names)
    with closing(sqlite3.connect(connection().settings_dict["NAME"])) as foreign:
        for sql, said in (
            (f'UPDATE "{LEDGER}" SET "Amount" = 1', "reverse it instead"),
            (f'DELETE FROM "{LEDGER}"', "reverse it instead"),
            (
                f'INSERT OR REPLACE INTO "{LEDGER}" ({every}) SELECT {every} FROM "{LEDGER}"',
                "UNIQUE|takes no more",
            ),
            ('UPDATE "LedgerSeals" SET "Digest" = 1', SEALED),
        ):
            with pytest.raises(sqlite3.Error, match=said):
                foreign.execute(sql)
    assert as_it_is(row) == before


@pytest.mark.sqlite_only("another program that opens the file")
@pytest.mark.django_db(transaction=True)
def test_another_program_may_book_a_row_where_the_cycle_takes_one(row):
    """The documented tables are written to by scripts."""
    move = close
    open_cycle(1)
    move(1)
    columns = {
        "TransactionUUID": "'a'",
        "Amount": "3",
        "TransactionType": "'earned'",
        "Description": "'by a script'",
        "SourceKind": "'script'",
        "SourceKey": "'a'",
    } | {f"Actor{name}": "''" for name in ("Kind", "ID", "Name", "Token", "Address")}
    accounts = '"AgentUUID", "FromAccountUUID", "ToAccountUUID"'
    names = ", ".join(f'"{name}"' for name in columns)
    insert = (
        f'INSERT INTO "{LEDGER}" ({names}, {accounts}, "PayCycle") '
        f'SELECT {", ".join(columns.values())}, {accounts}, ? FROM "{LEDGER}"'
    )
    with closing(sqlite3.connect(connection().settings_dict["NAME"])) as foreign:
        with pytest.raises(sqlite3.IntegrityError, match=CLOSED):
            foreign.execute(insert, [1])
        foreign.execute(insert, [2])
        foreign.commit()
    assert RodCoinsTransaction.objects.filter(source_kind="script", cycle=2).count() == 1


# --- pay cycles ---------------------------------------------------------------------------------
@pytest.mark.parametrize("state", PayCycleState.values)
@pytest.mark.parametrize("source_kind", ["direct", "task", "award", "advance", *OWN_PAYMENT])
def test_a_cycle_takes_rows_as_a_draft_and_its_own_payment_until_it_is_closed(
    make_agent, state, source_kind
):
    agent = make_agent()
    open_cycle(1, state)
    expected = state == "draft" or (state != "closed" and source_kind in ("payslip", "recovery"))
    assert takes(state, source_kind) is expected
    if expected:
        assert book(agent, 1, source_kind).cycle == 1
    else:
        refused(lambda: book(agent, 1, source_kind), CLOSED)
        assert is_over() or RodCoinsTransaction.objects.count() == 0


def test_a_cycle_without_a_row_of_its_own_takes_rows(make_agent):
    assert book(make_agent(), 7).cycle == 7


def test_one_row_for_a_closed_cycle_refuses_all_of_a_statement(make_agent):
    agent = make_agent()
    open_cycle(1, PayCycleState.CLOSED)
    mine = company_account_of(agent)
    made = [
        RodCoinsTransaction(
            agent=agent,
            source=mine[0],
            target=mine[1],
            amount=1,
            transaction_type=TransactionType.EARNED,
            source_kind="bulk",
            source_key=str(number),
            cycle=number,
            occurred_at=PayCycle.objects.get().starts_at,
            created_at=PayCycle.objects.get().starts_at,
        )
        for number in (2, 1, 3)
    ]
    refused(lambda: RodCoinsTransaction.objects.bulk_create(made), CLOSED)
    assert is_over() or RodCoinsTransaction.objects.count() == 0


def company_account_of(agent):
    def work(unit):
        return company_account(AccountKind.TREASURY), wallet(agent)

    return run_in_unit(work, actor=SYSTEM, operation="test.accounts")


@pytest.mark.sqlite_only("on SQL Server the unit runs again, in the cycle that is open by then")
def test_a_service_says_that_the_cycle_is_closed(make_agent):
    agent = make_agent()
    open_cycle(1, PayCycleState.CLOSED)

    def book_late(*, actor):
        book(agent, 1)

    late = service("test.late", needs=Permission.MOVE_COINS)(book_late)
    try:
        with pytest.raises(CycleClosed, match="book in the current one"):
            late(actor=SYSTEM)
    finally:
        del SERVICES["test.late"]
    assert balance_of(agent) == 0


class TestOnAServer:
    pytestmark = needs_server

    def test_a_unit_that_met_a_cycle_being_closed_runs_again(self, make_agent):
        agent = make_agent()
        open_cycle(1, PayCycleState.CLOSED)
        error = refused(lambda: book(agent, 1), CLOSED)
        assert classify(error, Phase.WRITING).kind is Kind.TRANSIENT
        assert refusals.told(error) is None


def test_after_closing_a_payment_is_booked_in_the_next_cycle(make_agent):
    agent = make_agent()
    open_cycle(1)
    before = pay(agent, 5)
    close(1)
    after = pay(agent, 7)
    assert (before.cycle, after.cycle) == (1, 2)


# --- how the triggers are kept ------------------------------------------------------------------
def test_all_triggers_are_there_after_a_migrate():
    assert refusals.missing(connection()) == {}
    names = set(refusals.triggers(connection()))
    assert {*TRIGGERS[connection().vendor], f"{LEDGER}_OpenCycle"} <= names


def drop(name):
    run_sql(f"DROP TRIGGER {connection().ops.quote_name(name)}")


def test_a_trigger_that_was_dropped_is_missed_told_of_and_made_again(row):
    name = TRIGGERS[connection().vendor][0]
    drop(name)
    assert list(refusals.missing(connection())) == [name]
    [told] = [one for one in validate(active_alias()) if one.about == "trigger"]
    assert (told.table, told.expected, told.found) == (LEDGER, name, "missing")
    assert refusals.put_back(connection()) == [name]
    assert refusals.missing(connection()) == {}
    refused(lambda: PAST_THE_QUERYSET["update"](row), FINAL)


def test_a_trigger_that_was_altered_is_missed_and_made_again(row):
    name = TRIGGERS[connection().vendor][0]
    drop(name)
    if connection().vendor == "sqlite":
        run_sql(f'CREATE TRIGGER "{name}" BEFORE UPDATE ON "{LEDGER}" BEGIN SELECT 1; END')
    else:
        run_sql(f"CREATE TRIGGER [{name}] ON [{LEDGER}] AFTER UPDATE AS BEGIN SET NOCOUNT ON; END")
    [told] = [one for one in validate(active_alias()) if one.about == "trigger"]
    assert told.found == "another one, or switched off"
    assert refusals.put_back(connection()) == [name]
    refused(lambda: PAST_THE_QUERYSET["update"](row), FINAL)


class TestSwitchedOff:
    pytestmark = needs_server

    def test_a_trigger_that_was_switched_off_is_missed_and_made_again(self, row):
        name = f"{LEDGER}_Final"
        run_sql(f"DISABLE TRIGGER [{name}] ON [{LEDGER}]")
        assert list(refusals.missing(connection())) == [name]
        refusals.put_back(connection())
        refused(lambda: PAST_THE_QUERYSET["update"](row), FINAL)


@pytest.mark.sqlite_only("its tables are remade")
@pytest.mark.django_db(transaction=True)
def test_a_migrate_makes_them_again_and_they_do_not_hinder_the_remaking_of_a_table():
    refusals.remove(connection())
    with connection().schema_editor() as editor:
        for model in (PayCycle, RodCoinsTransaction):
            editor._remake_table(model)
    assert f"{LEDGER}_OpenCycle" in refusals.missing(connection())
    call_command("migrate", verbosity=0, interactive=False)
    assert refusals.missing(connection()) == {}


@pytest.mark.sqlite_only("on the embedded file")
@pytest.mark.django_db(transaction=True)
def test_at_the_start_they_are_put_back_and_somebody_is_told(settings, tmp_path):
    drop(f"{LEDGER}_NoDelete")
    said = []
    start(said.append)
    assert f"{LEDGER}_NoDelete" in " ".join(said)
    assert "verify_ledger" in " ".join(said)
    assert refusals.missing(connection()) == {}
    said.clear()
    start(said.append)
    assert said == []


def test_a_plan_of_migrate_leaves_them_alone():
    call_command("migrate", plan=True, verbosity=0)
    assert refusals.missing(connection()) == {}


# --- the door -----------------------------------------------------------------------------------
def test_through_the_door_a_row_may_go_and_it_is_shut_behind(row):
    alias = active_alias()
    other = pay(row.agent, 3)
    with in_transaction(), refusals.rewriting(alias):
        RodCoinsTransaction._base_manager.filter(pk=row.pk)._raw_delete(alias)
    assert not RodCoinsTransaction.objects.filter(pk=row.pk).exists()
    if connection().vendor == "sqlite":
        refused(lambda: PAST_THE_QUERYSET["delete"](other), FINAL)


def test_the_door_is_shut_after_an_error(row):
    alias = active_alias()
    with (
        pytest.raises(ZeroDivisionError),
        in_transaction(),
        refusals.rewriting(alias),
    ):
        raise ZeroDivisionError
    if connection().vendor == "sqlite":
        refused(lambda: PAST_THE_QUERYSET["delete"](row), FINAL)


@pytest.mark.django_db(transaction=True)
def test_there_is_no_door_outside_a_transaction():
    with pytest.raises(AssertionError), refusals.rewriting(active_alias()):
        pass
