"""The ledger, and who may reach the forms."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.test import Client

from payroll.models import Evaluation, RodCoinsTransaction
from payroll.services.ledger import (
    award_rodcoins,
    balance_of,
    pay_task_reward,
    reverse_transaction,
    transfer,
)
from rodcorp.databases.units import run_in_unit
from tests.pages import csv_of, escaped, orders, queries, records
from tests.payroll.tampering import past_triggers, run_sql

pytestmark = pytest.mark.django_db

# in the company's database and in this host's file: who asks, and the session
LIST_QUERIES = {"/ledger/": (3, 1)}
ROW_QUERIES = (3, 1)

ROLES = ["viewer", "supervisor", "payroll", "operator", "admin"]
PAYERS = {"payroll", "admin"}
JUDGES = {"supervisor", "admin"}

ROWS = {
    "created_at": lambda row: row.created_at,
    "agent": lambda row: row.agent.name.lower(),
    "transaction_type": lambda row: row.transaction_type,
    "signed": lambda row: row.signed,
    "description": lambda row: row.description,
    "source_kind": lambda row: row.source_kind,
    "is_reversed": lambda row: bool(row.is_reversed),
}

NASTY = [
    "<script>alert('you')</script>",
    "🚀 emoji 👩‍🚀",
    "مرحبا بالعالم، هذا نص من اليمين إلى اليسار",
    "x" * 500,
]


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada", project="apollo", team="Core", ai_model="claude")


@pytest.fixture
def award(ada, system):
    return award_rodcoins(actor=system, agent=ada, amount=50, description="work")


@pytest.fixture
def fill(make_agent, system):
    """Agents who earned, each with a row of the ledger of each kind: `fill(n)` makes n."""

    def fill(count):
        last = make_agent("last")
        for number in range(count):
            agent = make_agent(
                f"agent-{uuid4()}",
                project=f"project-{number % 3}",
                team=("Core", "Data", None)[number % 3],
                ai_model=("claude", "codex", "qwen", "gemini")[number % 4],
            )
            paid = [
                award_rodcoins(
                    actor=system, agent=agent, amount=10 + number % 5, description="x", key=key
                )
                for key in (f"{agent.pk}", None, None)
            ]
            award_rodcoins(
                actor=system,
                agent=agent,
                amount=2,
                description="y",
                transaction_type="deduction",
            )
            reverse_transaction(actor=system, transaction=paid[-1], reason="z")
            transfer(actor=system, source=agent, target=last, amount=1, description="w")

    return fill


@pytest.mark.parametrize("url", LIST_QUERIES)
def test_a_list_takes_as_many_queries_however_long_it_is(browser, fill, url):
    client = browser("viewer")
    fill(3)
    few = queries(client, url)
    fill(57)
    assert queries(client, url) == few == LIST_QUERIES[url]


@pytest.mark.parametrize("url", LIST_QUERIES)
def test_no_order_compares_uuids(browser, fill, url):
    fill(2)
    client = browser("viewer")
    for column in client.get(url).context["table"].columns:
        sorted_by = orders(client, f"{url}?sort={column.name}")
        assert not any("UUID" in order for order in sorted_by), column.name


class TestTheLedger:
    @pytest.mark.parametrize("column", ROWS)
    @pytest.mark.parametrize("direction", ["", "-"])
    def test_every_column_sorts(self, browser, fill, column, direction):
        fill(4)
        response = browser("viewer").get(f"/ledger/?sort={direction}{column}")
        assert {shown.name for shown in response.context["table"].columns} == set(ROWS)
        values = [ROWS[column](row) for row in records(response)]
        assert len(set(values)) > 1
        assert values == sorted(values, reverse=bool(direction))

    def test_filters_survive_paging_and_sorting(self, browser, fill):
        fill(60)
        client = browser("viewer")
        page = client.get("/ledger/?transaction_type=earned&sort=signed")
        assert len(records(page)) == 50
        (link,) = re.findall(r'rel="next"\s+href="([^"]+)"', page.text)
        second = client.get("/ledger/" + link.replace("&amp;", "&"))
        rows = records(page) + records(second)
        assert len({row.pk for row in rows}) == 100
        assert {row.transaction_type for row in rows} == {"earned"}
        (header,) = re.findall(r'<a href="([^"]+)">Description', second.text)
        assert "transaction_type=earned" in header

    def test_an_amount_has_the_sign_it_had_for_the_wallet(self, browser, ada, make_agent, system):
        grace = make_agent("Grace")
        paid = award_rodcoins(actor=system, agent=ada, amount=50, description="a")
        award_rodcoins(
            actor=system, agent=ada, amount=3, description="b", transaction_type="deduction"
        )
        sent = transfer(actor=system, source=ada, target=grace, amount=7, description="c")
        reverse_transaction(actor=system, transaction=sent, reason="d")
        transfer(actor=system, source=ada, target=grace, amount=9, description="e")
        reverse_transaction(actor=system, transaction=paid, reason="f")

        def signs(query):
            rows = csv_of(browser_client, f"/ledger/?export=csv{query}")
            return {row["Description"]: int(row["Amount"]) for row in rows}

        browser_client = browser("viewer")
        adas = {"a": 50, "b": -3, "c": -7, "d": 7, "e": -9, "f": -50}
        advance = {"Advance for a reversal the wallet could not cover": 12}
        assert signs("") == adas | advance
        assert signs(f"&agent={ada.pk}") == adas | advance
        assert signs(f"&agent={grace.pk}") == {"c": 7, "d": -7, "e": 9}
        assert sum(signs(f"&agent={ada.pk}").values()) == balance_of(ada)
        assert sum(signs(f"&agent={grace.pk}").values()) == balance_of(grace)

    def test_an_agent_without_a_wallet_has_no_rows(self, browser, award, make_agent):
        new = make_agent("New")
        assert records(browser("viewer").get(f"/ledger/?agent={new.pk}")) == []

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("since=2026-03-02", {"second", "third"}),
            ("until=2026-03-02", {"first", "second"}),
            ("since=2026-03-02&until=2026-03-02", {"second"}),
            ("until=9999-12-31", {"first", "second", "third"}),
        ],
    )
    def test_days_count_whole(self, browser, ada, system, query, expected):
        for name, moment in (
            ("first", datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)),
            ("second", datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC)),
            ("third", datetime(2026, 3, 3, tzinfo=UTC)),
        ):
            run_in_unit(
                lambda unit, name=name: award_rodcoins(
                    actor=system, agent=ada, amount=1, description=name
                ),
                actor=system,
                operation="test",
                now=moment,
            )
        rows = records(browser("viewer").get(f"/ledger/?{query}"))
        assert {row.description for row in rows} == expected

    def test_a_date_that_is_none_is_said_at_its_filter(self, browser, award):
        response = browser("viewer").get("/ledger/?since=soon")
        assert records(response) == []
        assert "Enter a valid date" in response.text

    def test_an_exported_description_is_no_formula(self, browser, ada, system):
        award_rodcoins(actor=system, agent=ada, amount=1, description="=1+1")
        (row,) = csv_of(browser("viewer"), "/ledger/?export=csv")
        assert (row["Description"], row["Type"], row["Reversed"]) == ("'=1+1", "earned", "no")

    @pytest.mark.parametrize("text", NASTY)
    def test_a_text_is_shown_and_not_run(self, browser, ada, system, text):
        row = award_rodcoins(actor=system, agent=ada, amount=1, description=text)
        client = browser()
        for url in ("/ledger/", f"/ledger/{row.pk}/"):
            page = client.get(url).text
            assert "<script>alert" not in page
            assert escaped(text) in page

    def test_a_row_between_the_companys_own_accounts_breaks_nothing(self, browser, award):
        with past_triggers():
            run_sql('UPDATE "RodCoinsTransactions" SET "AgentUUID" = NULL, "ActorName" = %s', "")
        client = browser()
        assert "50" in client.get("/ledger/").text
        page = client.get(f"/ledger/{award.pk}/").text
        assert "another program" in page


class TestARow:
    def test_it_takes_as_many_queries_reversed_or_not(self, browser, award, ada, system):
        client = browser("viewer")
        url = f"/ledger/{award.pk}/"
        few = queries(client, url)
        reverse_transaction(actor=system, transaction=award, reason="x")
        assert queries(client, url) == few == ROW_QUERIES

    def test_it_leads_to_what_undid_it_and_back(self, browser, award, system):
        undone = reverse_transaction(actor=system, transaction=award, reason="Twice")
        client = browser()
        assert f"/ledger/{undone.pk}/" in client.get(f"/ledger/{award.pk}/").text
        assert f"/ledger/{award.pk}/" in client.get(f"/ledger/{undone.pk}/").text

    def test_it_leads_to_the_task_that_paid(self, browser, ada, system):
        task = uuid4()
        row = pay_task_reward(
            actor=system, agent=ada, task_id=task, round_number=2, amount=5, description="x"
        )
        assert f'href="/tasks/{task}/"' in browser("viewer").get(f"/ledger/{row.pk}/").text

    @pytest.mark.parametrize("role", ROLES)
    def test_only_who_may_and_only_while_it_can_be_reversed_sees_the_form(
        self, browser, award, system, role
    ):
        client = browser(role)
        address = f'action="/ledger/{award.pk}/reverse/"'
        assert (address in client.get(f"/ledger/{award.pk}/").text) == (role in PAYERS)
        undone = reverse_transaction(actor=system, transaction=award, reason="x")
        for row in (award, undone):
            assert "/reverse/" not in client.get(f"/ledger/{row.pk}/").text


class TestWhoMay:
    @pytest.mark.parametrize("role", ROLES)
    def test_every_role_sees_the_pages(self, browser, award, role):
        client = browser(role)
        for url in ("/leaderboard/", "/ledger/", f"/ledger/{award.pk}/"):
            assert client.get(url).status_code == 200
        assert ("/ledger/transfer/" in client.get("/ledger/").text) == (role in PAYERS)

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize(
        ("address", "who"),
        [
            ("/agents/{agent}/award/", PAYERS),
            ("/agents/{agent}/evaluate/", JUDGES),
            ("/ledger/transfer/", PAYERS),
            ("/ledger/{row}/reverse/", PAYERS),
        ],
    )
    def test_only_the_right_roles_reach_a_form_by_its_address(
        self, browser, ada, award, role, address, who
    ):
        client, url = browser(role), address.format(agent=ada.pk, row=award.pk)
        expected = 200 if role in who else 403
        assert client.get(url).status_code == expected
        assert client.post(url, {}).status_code == expected
        assert RodCoinsTransaction.objects.count() == 1
        assert not Evaluation.objects.exists()

    def test_strangers_are_sent_to_the_login_page(self, ada, award):
        for url in (
            "/leaderboard/",
            "/ledger/",
            "/ledger/transfer/",
            f"/ledger/{award.pk}/",
            f"/ledger/{award.pk}/reverse/",
            f"/agents/{ada.pk}/award/",
            f"/agents/{ada.pk}/evaluate/",
        ):
            for response in (Client().get(url), Client().post(url, {})):
                assert response.status_code == 302
                assert response.url.startswith("/admin/login/")

    def test_what_is_not_there_is_not_found(self, browser):
        client = browser()
        for url in (
            f"/ledger/{uuid4()}/",
            f"/ledger/{uuid4()}/reverse/",
            f"/agents/{uuid4()}/award/",
            f"/agents/{uuid4()}/evaluate/",
        ):
            assert client.get(url).status_code == 404
            refused = client.post(url, {"reason": "x", "score": "1"}).status_code
            assert refused in (404, 405)
