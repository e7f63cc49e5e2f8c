"""A copy takes the primary's rows as they are, changed and deleted ones too; from nobody else."""

import pytest
from django.db import DatabaseError, connections

from payroll.models import RodCoinsTransaction
from payroll.proof import prove
from payroll.triggers import CLOSED, FINAL
from rodcorp.databases import refusals
from rodcorp.databases.sync.feed import Feed
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.units import run_in_unit
from tests.payroll.tampering import (
    SYSTEM,
    book,
    close,
    open_cycle,
    past_triggers,
    pay,
    run_sql,
    stored,
)
from tests.sides.source import FileVersions

LEDGER = "RodCoinsTransactions"


@pytest.fixture
def feed(company):
    source = FileVersions()
    source.install()
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    feed = Feed(source)
    feed.pull()
    return feed


def test_closed_cycles_with_their_rows_and_seals_arrive(company, feed, make_agent):
    open_cycle(1)
    pay(make_agent(), 5)
    close(1)
    feed.pull()
    for alias in ("mssql", "sqlite"):
        proof = prove(alias)
        assert (proof.flaws, proof.transactions, proof.seals) == ([], 1, 1)


def test_a_row_that_was_changed_or_deleted_there_is_so_here(company, feed, make_agent):
    agent = make_agent()
    one, two = pay(agent, 5), pay(agent, 6)
    feed.pull()
    with past_triggers("mssql"):
        RodCoinsTransaction._base_manager.using("mssql").filter(pk=one.pk).update(amount=9)
        RodCoinsTransaction._base_manager.using("mssql").filter(pk=two.pk)._raw_delete("mssql")
    feed.reseed()
    here = RodCoinsTransaction.objects.using("sqlite").values_list("pk", "amount")
    assert list(here) == [(one.pk, 9)]


def test_what_was_booked_here_comes_home_and_is_settled(company, feed, make_agent):
    agent = make_agent()
    open_cycle(1)
    feed.pull()
    company.link.cut()
    row = pay(agent, 5)
    company.link.mend()
    with company.writing_there():
        close(1)
    assert Healer(feed.source).heal("test") is not None
    for alias in ("mssql", "sqlite"):
        found = RodCoinsTransaction.objects.using(alias).get(pk=row.pk)
        assert (found.cycle, found.occurred_at) == (2, row.occurred_at)
        assert prove(alias).flaws == []


def test_the_copy_refuses_what_the_primary_refuses(company, feed, make_agent):
    open_cycle(1)
    row = pay(make_agent(), 5)
    close(1)
    feed.pull()
    company.link.cut()
    key = stored(connections["sqlite"], row.pk)
    for sql, said in (
        (f'UPDATE "{LEDGER}" SET "Amount" = 1', FINAL),
        (f'DELETE FROM "{LEDGER}" WHERE "TransactionUUID" = \'{key}\'', FINAL),
    ):
        with pytest.raises(DatabaseError, match=said):
            run_in_unit(
                lambda unit, sql=sql: run_sql(sql, alias="sqlite"),
                actor=SYSTEM,
                operation="test.spoil",
            )
    with pytest.raises(DatabaseError, match=CLOSED):
        book(row.agent, 1)


def test_a_copy_that_lost_them_has_them_again_when_it_takes_over(company, make_agent):
    refusals.remove(connections["sqlite"])
    company.link.cut()
    make_agent()
    assert company.mode == "fallback"
    assert refusals.missing(connections["sqlite"]) == {}
