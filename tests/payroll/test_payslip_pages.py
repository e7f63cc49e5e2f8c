"""A payslip in the console: every coin explained, and the exports say the same as the page."""

import json
import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.test import Client

from agents.models import Agent
from payroll.models import LineKind, Payslip, PayslipLine, RodCoinsTransaction
from payroll.services.cycles import approve_cycle, compute_cycle, open_cycle, post_cycle
from payroll.services.ledger import (
    award_rodcoins,
    pay_task_reward,
    reverse_transaction,
)
from payroll.services.salaries import add_bonus_rule, set_pay_scale, set_salary
from rodcorp.databases.ids import natural_id
from tests.pages import csv_of, escaped, orders, queries, records

pytestmark = pytest.mark.django_db

# in the company's database and in this host's file: who asks, and the session
PAYSLIP_QUERIES = (4, 1)

ROLES = ["viewer", "supervisor", "payroll", "operator", "admin"]
TASK = uuid4()
NASTY = "=1+1 <script>alert('you')</script> مرحبا 🎉"


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.fixture
def ada(make_agent, system):
    agent = make_agent("Ada", project="apollo", team="Core", seniority="senior")
    Agent.objects.filter(pk=agent.pk).update(first_registered=day(1))
    set_pay_scale(actor=system, level="senior", base_salary=300, seniority_multiplier="1.5")
    set_salary(actor=system, agent=agent, bonus=5, effective_from="2025-12-01")
    add_bonus_rule(
        actor=system, kind="fixed", label="Night shift", amount=9, effective_from="2025-12-01"
    )
    return agent


@pytest.fixture
def earned(ada, system):
    """What was booked in the cycle before it is computed."""
    task = pay_task_reward(
        actor=system, agent=ada, task_id=TASK, round_number=1, amount=20, description="Completed: x"
    )
    pay_task_reward(
        actor=system, agent=ada, task_id=uuid4(), round_number=1, amount=11, description="Done: y"
    )
    award_rodcoins(actor=system, agent=ada, amount=50, description=NASTY)
    award_rodcoins(
        actor=system, agent=ada, amount=3, description="Late", transaction_type="deduction"
    )
    return task, reverse_transaction(actor=system, transaction=task, reason="Reopened: x")


@pytest.fixture
def cycle(earned, make_user, system):
    made = open_cycle(actor=system, starts_at=day(1), ends_at=day(15))
    compute_cycle(actor=make_user("payroll", "Paula").as_actor(), cycle=made)
    return made


@pytest.fixture
def payslip(cycle):
    return Payslip.objects.get()


@pytest.fixture
def posted(cycle, payslip, make_user):
    boris = make_user("admin", "Boris").as_actor()
    approve_cycle(actor=boris, cycle=cycle)
    post_cycle(actor=boris, cycle=cycle)
    return payslip


def url(payslip, query=""):
    return f"/payroll/payslips/{payslip.pk}/{query}"


def json_of(client, payslip):
    return json.loads(client.get(url(payslip, "?export=json")).content)


def amounts(page):
    """The amounts of the lines a page shows, top to bottom."""
    cells = re.findall(r'<td data-label="RodCoins"[^>]*>([^<]+)</td>', page)
    return [int(cell.replace(",", "").replace("−", "-").replace("+", "")) for cell in cells]


class TestThePage:
    def test_every_line_is_there_and_adds_up(self, browser, payslip):
        page = browser("viewer").get(url(payslip)).text
        lines = list(PayslipLine.objects.of_payslip(payslip))
        assert {line.kind for line in lines} == {
            "base",
            "seniority",
            "bonus",
            "award",
            "deduction",
            "reversal",
        }
        assert amounts(page) == [line.amount for line in lines]
        assert sum(amounts(page)) == payslip.net
        for line in lines:
            assert escaped(line.label) in page
            assert escaped(line.basis) in page

    def test_what_it_pays_and_what_was_booked_before_are_apart(self, browser, payslip):
        statement = browser("viewer").get(url(payslip)).context["statement"]
        assert {coins.line.kind for coins in statement.booked} == {"award", "deduction", "reversal"}
        assert (statement.paid_sum, statement.booked_sum) == (
            payslip.due,
            payslip.net - payslip.due,
        )
        assert payslip.due == 300 + 150 + 5 + 9
        assert statement.booked_sum == 20 + 11 + 50 - 3 - 20

    def test_each_line_of_the_ledger_leads_to_its_row_and_task(self, browser, earned, payslip):
        page = browser("viewer").get(url(payslip)).text
        paid, undone = earned
        for row in (paid, undone):
            assert f'href="/ledger/{row.pk}/"' in page
        # the reward, and the reversal of it
        assert page.count(f'href="/tasks/{TASK}/"') == 2

    def test_before_it_is_posted_nothing_is(self, browser, payslip):
        response = browser("viewer").get(url(payslip))
        assert response.context["statement"].posted == []
        assert "Nothing yet: the cycle is computed." in response.text

    def test_once_posted_it_leads_to_what_was(self, browser, posted):
        page = browser("viewer").get(url(posted)).text
        row = RodCoinsTransaction.objects.get(source_kind="payslip")
        assert row.pk == natural_id("transaction", "payslip", str(posted.pk))
        assert f'href="/ledger/{row.pk}/"' in page
        assert "Nothing yet" not in page

    def test_a_text_is_shown_and_not_run(self, browser, payslip):
        page = browser("viewer").get(url(payslip)).text
        assert "<script>alert" not in page
        assert escaped(NASTY) in page

    def test_it_takes_as_many_queries_however_many_lines_it_has(
        self, browser, payslip, cycle, system
    ):
        client = browser("viewer")
        few = queries(client, url(payslip))
        row = RodCoinsTransaction.objects.filter(transaction_type="earned").first()
        signed = {"actor_kind": "system", "actor_id": "t", "actor_name": "t"}
        for position in range(100, 160):
            PayslipLine.objects.create(
                payslip=payslip,
                position=position,
                kind=LineKind.AWARD,
                label="x",
                amount=1,
                transaction=row,
                **signed,
            )
        assert queries(client, url(payslip)) == few == PAYSLIP_QUERIES

    @pytest.mark.parametrize("role", ROLES)
    def test_every_role_reads_it_and_nobody_sends_anything(self, browser, payslip, role):
        client = browser(role)
        for query in ("", "?export=csv", "?export=json"):
            assert client.get(url(payslip, query)).status_code == 200
        assert '<form method="post"' not in client.get(url(payslip)).text.partition("<main>")[2]
        assert client.post(url(payslip), {}).status_code == 405

    def test_strangers_are_sent_to_the_login_page(self, payslip):
        for query in ("", "?export=csv", "?export=json"):
            response = Client().get(url(payslip, query))
            assert response.status_code == 302
            assert response.url.startswith("/admin/login/")

    def test_what_is_not_there_is_not_found(self, browser):
        client = browser()
        for query in ("", "?export=csv", "?export=json"):
            assert client.get(f"/payroll/payslips/{uuid4()}/{query}").status_code == 404


class TestTheListOfAnAgent:
    def test_it_has_the_agents_payslips_and_no_others(self, browser, posted, make_agent):
        client = browser("viewer")
        page = client.get(f"/agents/{posted.agent_id}/payslips/")
        assert [slip.pk for slip in records(page)] == [posted.pk]
        assert f'href="/payroll/payslips/{posted.pk}/"' in page.text
        assert records(client.get(f"/agents/{make_agent('Eve').pk}/payslips/")) == []

    def test_its_csv_says_the_same(self, browser, posted):
        (row,) = csv_of(browser("viewer"), f"/agents/{posted.agent_id}/payslips/?export=csv")
        assert (row["Cycle"], row["State"], int(row["Net"])) == ("1", "posted", posted.net)

    def test_it_is_filtered_by_state(self, browser, posted):
        address = f"/agents/{posted.agent_id}/payslips/"
        client = browser("viewer")
        assert len(records(client.get(f"{address}?state=posted"))) == 1
        assert records(client.get(f"{address}?state=closed")) == []

    @pytest.mark.parametrize("column", ["cycle", "state", "starts_at", "ends_at", "net"])
    def test_no_order_compares_uuids(self, browser, posted, column):
        sorted_by = orders(browser("viewer"), f"/agents/{posted.agent_id}/payslips/?sort={column}")
        assert not any("UUID" in order for order in sorted_by)

    def test_a_payslip_leads_to_it(self, browser, payslip):
        page = browser("viewer").get(url(payslip)).text
        assert f'href="/agents/{payslip.agent_id}/payslips/"' in page

    def test_of_an_agent_there_is_not_it_is_not_found(self, browser):
        assert browser().get(f"/agents/{uuid4()}/payslips/").status_code == 404


class TestTheExports:
    def test_csv_and_json_say_what_the_page_says(self, browser, posted):
        client = browser("viewer")
        shown = amounts(client.get(url(posted)).text)
        rows = csv_of(client, url(posted, "?export=csv"))
        parts = ("paid", "booked before")
        in_csv = [int(row["RodCoins"]) for row in rows if row["Part"] in parts]
        told = json_of(client, posted)
        in_json = [line["amount"] for line in told["paid"] + told["booked_before"]]
        assert shown == in_csv == in_json
        totals = {row["Label"]: int(row["RodCoins"]) for row in rows if row["Part"] == "total"}
        assert totals == {"Net": posted.net, "Due": posted.due, "Recovered": posted.recovered}
        assert (told["net"], told["due"], told["recovered"]) == (
            posted.net,
            posted.due,
            posted.recovered,
        )

    def test_both_say_what_was_posted(self, browser, posted):
        client = browser("viewer")
        row = RodCoinsTransaction.objects.get(source_kind="payslip")
        rows = csv_of(client, url(posted, "?export=csv"))
        in_csv = [
            (each["Ledger row"], each["RodCoins"]) for each in rows if each["Part"] == "posted"
        ]
        assert in_csv == [(str(row.pk), str(row.amount))]
        in_json = [
            (each["transaction"], each["amount"]) for each in json_of(client, posted)["posted"]
        ]
        assert in_json == [(str(row.pk), row.amount)]

    def test_both_name_the_task_of_a_line(self, browser, payslip):
        client = browser("viewer")
        rows = csv_of(client, url(payslip, "?export=csv"))
        assert [row["Kind"] for row in rows if row["Task"] == str(TASK)] == ["award", "reversal"]
        told = json_of(client, payslip)
        lines = [line["kind"] for line in told["booked_before"] if line["task"] == str(TASK)]
        assert lines == ["award", "reversal"]
        assert {line["task"] for line in told["paid"]} == {None}

    def test_a_label_in_a_spreadsheet_is_no_formula(self, browser, payslip):
        rows = csv_of(browser("viewer"), url(payslip, "?export=csv"))
        assert any(row["Label"] == f"'{NASTY}" for row in rows)

    def test_the_files_are_named_after_the_cycle(self, browser, payslip):
        client = browser("viewer")
        for kind in ("csv", "json"):
            named = client.get(url(payslip, f"?export={kind}"))["Content-Disposition"]
            assert f'filename="payslip-cycle-1-{payslip.pk}.{kind}"' in named
