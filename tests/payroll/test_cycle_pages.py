"""Pay cycles in the console: what state each is in, and the one step each role may take."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from payroll.models import PayCycle, PayCycleStep, Payslip, PayslipLine, RodCoinsTransaction
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
    reopen_cycle,
)
from payroll.services.ledger import award_rodcoins, balance_of
from payroll.services.salaries import set_salary
from rodcorp.databases.sides import Side, active_alias
from tests.pages import csv_of, escaped, form_of, orders, queries, records

pytestmark = pytest.mark.django_db

# in the company's database and in this host's file: who asks, and the session
CYCLES_QUERIES = (2, 1)
CYCLE_QUERIES = (8, 1)

ROLES = ["viewer", "supervisor", "payroll", "operator", "admin"]
PAYROLL = {"payroll", "admin"}
STEPS = ["compute", "approve", "post", "close"]
BUTTONS = {"draft": "compute", "computed": "approve", "approved": "post", "posted": "close"}


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.fixture
def payroll(make_user):
    """Who computes, and who approves."""
    return make_user("payroll", "Paula").as_actor(), make_user("admin", "Boris").as_actor()


@pytest.fixture
def cycle(system, make_agent):
    """The first one, a draft, in which two agents are paid."""
    for name, project, team, base in (("Ada", "apollo", "Core", 100), ("Eve", "gemini", None, 70)):
        agent = make_agent(name, project=project, team=team)
        Agent.objects.filter(pk=agent.pk).update(first_registered=day(1))
        set_salary(
            actor=system, agent=agent, base_salary=base, bonus=5, effective_from="2025-12-01"
        )
        award_rodcoins(actor=system, agent=agent, amount=7, description=f"{name}'s work")
    return open_cycle(actor=system, starts_at=day(1), ends_at=day(15))


@pytest.fixture
def advance(cycle, payroll):
    """Bring the cycle to a state: `advance("approved")`."""
    computes, approves = payroll

    def advance(state):
        if state in ("computed", "approved", "posted", "closed"):
            compute_cycle(actor=computes, cycle=cycle)
        if state in ("approved", "posted", "closed"):
            approve_cycle(actor=approves, cycle=cycle, note="Looked through.")
        if state in ("posted", "closed"):
            post_cycle(actor=computes, cycle=cycle)
        if state == "closed":
            close_cycle(actor=computes, cycle=cycle)
        cycle.refresh_from_db()
        return cycle

    return advance


def page_of(cycle):
    return f"/payroll/cycles/{cycle.pk}/"


def steps_on(page):
    """The steps a page has a button for."""
    return re.findall(r'action="/payroll/cycles/[^/]+/(\w+)/"', page)


def take(client, cycle, step, **typed):
    """Press the button of a step on the cycle's page."""
    values = form_of(client.get(page_of(cycle)).text, f"/{step}")
    return client.post(f"{page_of(cycle)}{step}/", {**values, **typed}, follow=True)


class TestTheList:
    def test_it_says_the_state_the_sums_and_who_moved_it(self, browser, advance):
        cycle = advance("approved")
        rows = csv_of(browser("viewer"), "/payroll/?export=csv")
        assert [row["Cycle"] for row in rows] == ["2", "1"]
        first = rows[1]
        assert (first["State"], first["Payslips"], first["Last step by"]) == (
            "approved",
            "2",
            "Boris",
        )
        assert int(first["Net RodCoins"]) == sum(slip.net for slip in Payslip.objects.all()) > 0
        assert first["From"] == cycle.starts_at.isoformat()

    def test_it_takes_as_many_queries_however_long_it_is(self, browser, cycle, system):
        client = browser("viewer")
        few = queries(client, "/payroll/")
        for number in range(16, 28):
            open_cycle(actor=system, ends_at=day(number))
        assert queries(client, "/payroll/") == few == CYCLES_QUERIES

    def test_no_order_compares_uuids(self, browser, cycle):
        client = browser("viewer")
        for column in client.get("/payroll/").context["table"].columns:
            with CaptureQueriesContext(connections[active_alias()]) as asked:
                client.get(f"/payroll/?sort={column.name}")
            # the last one of a statement: those before it are inside, of a cycle's steps by time
            sorted_by = [query["sql"].rpartition("ORDER BY")[2] for query in asked]
            listed = [order for order in sorted_by if "CycleNumber" in order]
            assert listed
            assert not any("UUID" in order for order in listed), column.name

    def test_it_is_filtered_by_state(self, browser, advance):
        advance("computed")
        found = records(browser("viewer").get("/payroll/?state=computed"))
        assert [cycle.number for cycle in found] == [1]

    @pytest.mark.parametrize("role", ROLES)
    def test_only_payroll_opens_one(self, browser, role):
        client = browser(role)
        expected = 200 if role in PAYROLL else 403
        assert ("/payroll/cycles/new/" in client.get("/payroll/").text) == (role in PAYROLL)
        assert client.get("/payroll/cycles/new/").status_code == expected
        assert client.post("/payroll/cycles/new/", {}).status_code == expected
        assert not PayCycle.objects.exists()

    def test_one_is_opened(self, browser):
        client = browser("payroll")
        response = client.post(
            "/payroll/cycles/new/", {"starts_at": "2026-01-01", "ends_at": "2026-02-01"}
        )
        made = PayCycle.objects.get()
        assert response.url == page_of(made)
        assert (made.number, made.ends_at) == (1, datetime(2026, 2, 1, tzinfo=UTC))

    @pytest.mark.parametrize("ends_at", ["soon", "2025-12-31", ""])
    def test_a_bad_end_is_said_at_its_field_and_stays(self, browser, ends_at):
        response = browser("payroll").post(
            "/payroll/cycles/new/", {"starts_at": "2026-01-01", "ends_at": ends_at}
        )
        assert response.context["form"].errors["ends_at"]
        assert form_of(response.text)["starts_at"] == "2026-01-01"
        assert not PayCycle.objects.exists()


class TestTheSteps:
    @pytest.mark.parametrize("state", [*BUTTONS, "closed"])
    @pytest.mark.parametrize("role", ROLES)
    def test_payroll_has_one_button_and_others_have_none(self, browser, advance, role, state):
        cycle = advance(state)
        page = browser(role).get(page_of(cycle)).text
        expected = []
        if role in PAYROLL:
            expected = [BUTTONS[state]] if state in BUTTONS else []
            expected += ["reopen"] if state in ("computed", "approved") else []
        assert steps_on(page) == expected
        if state != "closed" and role not in PAYROLL:
            assert f"Next: {BUTTONS[state]}." in page

    def test_two_people_take_a_cycle_through(self, browser, cycle, make_user):
        first, second = browser("payroll"), browser("admin")
        for client, step, state in (
            (first, "compute", "computed"),
            (second, "approve", "approved"),
            (first, "post", "posted"),
            (second, "close", "closed"),
        ):
            response = take(client, cycle, step)
            assert response.redirect_chain[-1][0] == page_of(cycle)
            cycle.refresh_from_db()
            assert cycle.state == state
        steps = PayCycleStep.objects.of_cycle(cycle).values_list("state", "actor_name")
        assert list(steps)[::-1] == [
            ("draft", "test"),
            ("computed", "a-payroll"),
            ("approved", "a-admin"),
            ("posted", "a-payroll"),
            ("closed", "a-admin"),
        ]

    def test_whoever_computed_it_is_told_who_approves(self, browser, cycle):
        client = browser("payroll")
        page = take(client, cycle, "compute").text
        assert "You computed it, so another person" in page
        assert steps_on(page) == ["reopen"]

    def test_whoever_computed_it_is_refused_by_the_service_too(self, browser, cycle):
        client = browser("payroll")
        take(client, cycle, "compute")
        response = client.post(f"{page_of(cycle)}approve/", {"note": "x"})
        assert "somebody else with the role payroll or admin has to approve it" in response.text
        cycle.refresh_from_db()
        assert cycle.state == "computed"

    @pytest.mark.parametrize("role", sorted(set(ROLES) - PAYROLL))
    @pytest.mark.parametrize("step", [*STEPS, "reopen"])
    def test_a_step_by_its_address_needs_the_role(self, browser, advance, role, step):
        cycle = advance(
            {"reopen": "computed"}.get(step, {v: k for k, v in BUTTONS.items()}.get(step))
        )
        before = cycle.version
        response = browser(role).post(f"{page_of(cycle)}{step}/", {"reason": "x"})
        assert response.status_code == 403
        cycle.refresh_from_db()
        assert cycle.version == before

    def test_a_step_out_of_order_is_refused_in_place(self, browser, cycle):
        response = browser("payroll").post(f"{page_of(cycle)}post/", {})
        assert response.status_code == 200
        assert "is draft and cannot be posted" in response.text
        assert steps_on(response.text) == ["compute"]

    def test_a_step_there_is_not_is_not_found(self, browser, cycle):
        assert browser().post(f"{page_of(cycle)}delete/", {}).status_code == 404

    def test_a_cycle_behind_another_waits_for_it(self, browser, cycle, system):
        later = open_cycle(actor=system, ends_at=day(29))
        page = browser("payroll").get(page_of(later)).text
        assert steps_on(page) == []
        assert "Next: compute, once cycle 1 is posted." in page

    def test_computing_a_cycle_that_goes_on_says_what_that_means(self, browser, cycle, system):
        client = browser("payroll")
        hint = "which is still to come"
        assert hint not in client.get(page_of(cycle)).text
        PayCycle.objects.filter(pk=cycle.pk).update(ends_at=datetime(2999, 1, 1, tzinfo=UTC))
        assert hint in client.get(page_of(cycle)).text

    def test_what_nobody_saw_is_not_approved(self, browser, advance, payroll):
        cycle = advance("computed")
        client = browser("admin")
        shown = form_of(client.get(page_of(cycle)).text, "/approve")
        reopen_cycle(actor=payroll[0], cycle=cycle, reason="A salary was missing.")
        compute_cycle(actor=payroll[0], cycle=cycle)
        response = client.post(f"{page_of(cycle)}approve/", {**shown, "note": "Fine with me"})
        cycle.refresh_from_db()
        assert cycle.state == "computed"
        assert "Somebody else moved" in response.text
        again = form_of(response.text, "/approve")
        assert (again["note"], again["version"]) == ("Fine with me", str(cycle.version))
        client.post(f"{page_of(cycle)}approve/", again)
        cycle.refresh_from_db()
        assert cycle.state == "approved"

    def test_the_same_form_twice_pays_once(self, browser, advance):
        cycle = advance("approved")
        client = browser("payroll")
        values = form_of(client.get(page_of(cycle)).text, "/post")
        for _ in range(2):
            client.post(f"{page_of(cycle)}post/", values)
        assert RodCoinsTransaction.objects.filter(source_kind="payslip").count() == 2
        assert PayCycleStep.objects.of_cycle(cycle).filter(state="posted").count() == 1

    def test_posting_pays_what_the_payslips_say(self, browser, advance):
        cycle = advance("approved")
        before = {slip.agent: balance_of(slip.agent) for slip in Payslip.objects.all()}
        take(browser("payroll"), cycle, "post")
        for slip in Payslip.objects.select_related("agent"):
            assert balance_of(slip.agent) - before[slip.agent] == slip.due

    def test_reopening_wants_a_reason_and_keeps_its_place(self, browser, advance):
        cycle = advance("approved")
        response = take(browser("payroll"), cycle, "reopen", reason=" ")
        assert "<details open>" in re.sub(r"\s+", " ", response.text)
        assert Payslip.objects.count() == 2
        cycle.refresh_from_db()
        assert cycle.state == "approved"

    def test_a_reopened_cycle_is_a_draft_with_a_noted_reason(self, browser, advance):
        cycle = advance("computed")
        text = "<script>alert('you')</script>"
        page = take(browser("payroll"), cycle, "reopen", reason=text).text
        assert steps_on(page) == ["compute"]
        assert escaped(text) in page
        assert "<script>alert" not in page
        assert not Payslip.objects.exists()

    def test_away_from_sql_server_there_is_no_button_and_it_says_so(
        self, browser, advance, monkeypatch
    ):
        cycle = advance("computed")
        monkeypatch.setattr("payroll.web.cycles.current", lambda: Side("sqlite", 3))
        page = browser("admin").get(page_of(cycle)).text
        assert steps_on(page) == []
        assert "SQL Server is away" in page


class TestThePage:
    def test_the_totals_by_kind_are_those_of_the_lines(self, browser, advance):
        cycle = advance("computed")
        context = browser("viewer").get(page_of(cycle)).context
        lines = PayslipLine.objects.all()
        expected = {}
        for line in lines:
            count, amount = expected.get(line.kind, (0, 0))
            expected[line.kind] = (count + 1, amount + line.amount)
        assert {group.kind: (group.lines, group.amount) for group in context["groups"]} == expected
        assert set(expected) == {"base", "bonus", "award"}
        assert context["totals"]["net"] == sum(line.amount for line in lines)

    def test_its_payslips_are_searched_and_narrowed(self, browser, advance):
        url = page_of(advance("computed"))
        client = browser("viewer")
        for query, expected in (
            ("", ["Ada", "Eve"]),
            ("?name=ad", ["Ada"]),
            ("?project=gemini", ["Eve"]),
            ("?team=Core", ["Ada"]),
            ("?name=nobody", []),
            ("?sort=-net", ["Ada", "Eve"]),
            ("?sort=net", ["Eve", "Ada"]),
        ):
            shown = [slip.agent.name for slip in records(client.get(url + query))]
            assert shown == expected, query

    def test_its_csv_has_the_payslips_of_this_cycle(self, browser, advance):
        url = page_of(advance("computed"))
        client = browser("viewer")
        rows = csv_of(client, f"{url}?export=csv&name=ada")
        slip = Payslip.objects.get(agent__name="Ada")
        assert [(row["Agent"], int(row["Net"]), int(row["Recovered"])) for row in rows] == [
            ("Ada", slip.net, 0)
        ]
        response = client.get(f"{url}?export=csv")
        assert "payslips-cycle-1.csv" in response["Content-Disposition"]

    @pytest.mark.parametrize("column", ["agent", "project", "team", "net", "due", "recovered"])
    def test_every_column_sorts_and_compares_no_uuids(self, browser, advance, column):
        url = page_of(advance("computed"))
        sorted_by = orders(browser("viewer"), f"{url}?sort=-{column}")
        assert not any("UUID" in order for order in sorted_by)

    def test_it_takes_as_many_queries_however_many_are_paid(
        self, browser, cycle, payroll, make_agent, system
    ):
        client = browser("viewer")
        compute_cycle(actor=payroll[0], cycle=cycle)
        few = queries(client, page_of(cycle))
        reopen_cycle(actor=payroll[0], cycle=cycle, reason="more")
        for number in range(30):
            agent = make_agent(f"agent {number}", project="apollo", team="Core")
            Agent.objects.filter(pk=agent.pk).update(first_registered=day(1))
            set_salary(actor=system, agent=agent, base_salary=1, effective_from="2025-12-01")
        compute_cycle(actor=payroll[0], cycle=cycle)
        assert Payslip.objects.count() == 32
        assert queries(client, page_of(cycle)) == few == CYCLE_QUERIES

    @pytest.mark.parametrize("role", ROLES)
    def test_every_role_sees_it(self, browser, advance, role):
        client = browser(role)
        for url in ("/payroll/", page_of(advance("computed"))):
            assert client.get(url).status_code == 200

    def test_the_sidebar_leads_there(self, browser):
        assert 'href="/payroll/"' in browser("viewer").get("/").text

    def test_strangers_are_sent_to_the_login_page(self, cycle):
        for url in ("/payroll/", "/payroll/cycles/new/", page_of(cycle), f"{page_of(cycle)}post/"):
            for response in (Client().get(url), Client().post(url, {})):
                assert response.status_code == 302
                assert response.url.startswith("/admin/login/")

    def test_what_is_not_there_is_not_found(self, browser):
        client, url = browser(), f"/payroll/cycles/{uuid4()}/"
        assert client.get(url).status_code == 404
        assert client.post(f"{url}compute/", {}).status_code == 404
