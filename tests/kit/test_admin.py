import re

import pytest
from django.contrib import admin as django_admin
from django.contrib.admin.options import transaction
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Discussion
from agents.services.discussions import post_message
from payroll.models import Evaluation, PayrollMaster, RodCoinsTransaction
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins
from payroll.services.salaries import set_salary
from rodcorp.errors import Conflict
from rodcorp.kit.admin import BaseAdmin
from rodcorp.people.models import User
from tasks.models import Task
from tasks.services.creation import create_task

pytestmark = pytest.mark.django_db

ROLES = {"viewer", "supervisor", "payroll", "operator", "admin"}
WHO_ADDS = {
    Agent: {"supervisor", "admin"},
    Discussion: {"supervisor", "payroll", "admin"},
    PayrollMaster: {"payroll", "admin"},
    RodCoinsTransaction: {"payroll", "admin"},
    Evaluation: {"supervisor", "admin"},
    Task: {"supervisor", "admin"},
    User: {"admin"},
}
# what is said once is never changed
FINAL = {Discussion, RodCoinsTransaction, Evaluation}
MODELS = list(WHO_ADDS)

# In the company's database: who asks, the count, the page, and one for each filter of free words.
# In this host's: the session.
LIST_QUERIES = {
    Agent: (6, 1),
    Discussion: (5, 1),
    PayrollMaster: (3, 1),
    RodCoinsTransaction: (4, 1),
    Evaluation: (4, 1),
    Task: (4, 1),
    User: (3, 1),
}

AGENT = {"name": "Grace", "project": "apollo", "communication_port": "8888"}


def url(model, page=""):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{page}"


@pytest.fixture
def fill(make_agent, make_user, system):
    """One row in every table, under another name each time."""

    def fill(name="ada"):
        agent = make_agent(name, skills={"python": 7})
        judge = make_user(username=f"judge-of-{name}")
        post_message(actor=system, agent=agent, topic="News", message="All well")
        award_rodcoins(actor=system, agent=agent, amount=5, description="work")
        set_salary(actor=system, agent=agent, base_salary=100)
        create_task(actor=system, agent=agent, description="Fix it", labels=["ci"])
        record_performance_evaluation(actor=system, agent=agent, score=4, evaluator_id=judge.pk)

    return fill


def test_every_table_of_the_company_and_nothing_else_is_in_the_admin():
    assert set(django_admin.site._registry) == set(MODELS)
    assert not django_admin.site.is_registered(Group)
    for model_admin in django_admin.site._registry.values():
        assert isinstance(model_admin, BaseAdmin)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_role_sees_every_page(browser, fill, role):
    fill()
    client = browser(role)
    assert client.get("/admin/").status_code == 200
    for model in MODELS:
        row = model.objects.first()
        pages = ["", "?q=a", f"{row.pk}/change/"]
        if model not in (Evaluation, RodCoinsTransaction):
            pages.append(f"{row.pk}/history/")
        for page in pages:
            response = client.get(url(model, page))
            assert response.status_code == 200, (model, page)
            assert User.objects.first().password not in response.text


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("role", sorted(ROLES))
def test_only_the_right_roles_write(browser, fill, role, model):
    fill()
    client, row = browser(role), model.objects.first()
    allowed = role in WHO_ADDS[model]
    changes = allowed and model not in FINAL
    before = model.objects.count()
    assert client.get(url(model, "add/")).status_code == (200 if allowed else 403)
    assert client.post(url(model, "add/"), {}).status_code == (200 if allowed else 403)
    assert client.post(url(model, f"{row.pk}/change/"), {}).status_code == (200 if changes else 403)
    assert client.get(url(model, f"{row.pk}/delete/")).status_code == 403
    assert client.post(url(model, f"{row.pk}/delete/"), {"post": "yes"}).status_code == 403
    assert model.objects.count() == before


@pytest.mark.parametrize(
    ("model", "action"),
    [
        (Agent, "retire"),
        (Discussion, "acknowledge"),
        (Task, "complete"),
        (Task, "cancel"),
        (User, "deactivate"),
        (Task, "delete_selected"),
    ],
)
def test_a_viewer_runs_no_action_by_its_name_either(browser, fill, model, action):
    fill()
    row = model.objects.first()
    before = model.objects.filter(pk=row.pk).values().get()
    browser("viewer").post(url(model), {"action": action, "_selected_action": [str(row.pk)]})
    assert model.objects.filter(pk=row.pk).values().get() == before


def test_nobody_deletes_by_an_action(browser, fill):
    fill()
    row = Task.objects.get()
    browser("admin").post(
        url(Task), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    )
    assert Task.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("page", ["", "add/", "0/change/", "0/delete/", "0/history/"])
def test_strangers_are_sent_to_the_login_page(page):
    for model in MODELS:
        response = Client().get(url(model, page))
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_however_long_it_is(browser, fill, model):
    client = browser()

    def queries():
        with (
            CaptureQueriesContext(connections["sqlite"]) as company,
            CaptureQueriesContext(connections["local"]) as local,
        ):
            assert client.get(url(model)).status_code == 200
        return len(company), len(local)

    fill("ada")
    few = queries()
    for name in ("grace", "linus", "ken", "radia"):
        fill(name)
    assert queries() == few == LIST_QUERIES[model]


class TestSaving:
    def test_the_service_writes_it_for_the_one_who_is_signed_in(self, browser):
        client = browser("supervisor")
        response = client.post(url(Agent, "add/"), AGENT, REMOTE_ADDR="192.0.2.7")
        assert response.status_code == 302
        history = Agent.objects.named("Grace").history.get()
        assert (history.actor_kind, history.actor_name, history.actor_address) == (
            "user",
            "a-supervisor",
            "192.0.2.7",
        )

    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(self, browser):
        response = browser().post(
            url(Agent, "add/"), {**AGENT, "team": "Core", "machine_ip": "300.1.1.1"}
        )
        form = response.context["adminform"].form
        assert form.errors == {
            "machine_ip": ["machine_ip must be an IPv4 or IPv6 address; it was '300.1.1.1'."]
        }
        assert 'value="Core"' in response.text
        assert not Agent.objects.exists()

    def test_the_same_form_sent_twice_writes_once(self, browser, make_agent):
        client, agent = browser("payroll"), make_agent()
        page = client.get(url(RodCoinsTransaction, "add/")).text
        key = re.search(r'name="key" value="([^"]+)"', page)[1]
        award = {
            "agent": agent.pk,
            "amount": "7",
            "transaction_type": "earned",
            "description": "work",
            "key": key,
        }
        for _ in range(2):
            assert client.post(url(RodCoinsTransaction, "add/"), award).status_code == 302
        assert RodCoinsTransaction.objects.get().amount == 7
        response = client.post(url(RodCoinsTransaction, "add/"), {**award, "amount": "8"})
        assert "already saved" in response.text
        assert RodCoinsTransaction.objects.count() == 1

    def test_what_changed_between_the_trial_and_the_write_is_said_in_the_form(
        self, browser, monkeypatch
    ):
        calls = iter(["trial", "write", "second trial"])

        def create(self, actor, key, **values):
            if next(calls) == "trial":
                return Agent()
            raise Conflict("Somebody was faster.", field="agent_name")

        monkeypatch.setattr("agents.admin.AgentAdmin.create", create)
        response = browser().post(url(Agent, "add/"), AGENT)
        assert response.context["adminform"].form.errors == {"name": ["Somebody was faster."]}

    def test_no_transaction_is_opened_around_a_page(self, browser, monkeypatch):
        client = browser()

        def atomic(using=None):
            raise AssertionError("the admin opened a transaction")

        # the units of work use the same function: only the admin's module is patched
        monkeypatch.setattr(
            "django.contrib.admin.options.transaction", type("T", (), {"atomic": atomic})
        )
        assert transaction.atomic is not atomic
        assert client.post(url(Agent, "add/"), AGENT).status_code == 302

    def test_a_form_from_elsewhere_is_refused(self, make_user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user("admin"))
        assert client.post(url(Agent, "add/"), AGENT).status_code == 403
        assert not Agent.objects.exists()

    def test_djangos_own_log_is_not_asked(self, browser):
        client = browser()
        with CaptureQueriesContext(connections["local"]) as local:
            client.post(url(Agent, "add/"), AGENT)
            assert client.get("/admin/").status_code == 200
        assert not any("django_admin_log" in query["sql"] for query in local)


def test_a_row_that_is_not_there_is_said_to_be_missing(browser):
    response = browser().get(url(Agent, "0/change/"), follow=True)
    assert "doesn’t exist" in response.text


def test_final_rows_have_no_history_page(browser, fill):
    fill()
    client = browser()
    for model in (Evaluation, RodCoinsTransaction):
        page = url(model, f"{model.objects.get().pk}/history/")
        assert client.get(page).status_code == 404
        assert "/history/" not in client.get(page.replace("history", "change")).text


def test_an_old_version_cannot_be_saved_over_the_present_one(browser, make_agent):
    agent = make_agent()
    old = agent.history.get().pk
    client = browser()
    assert client.post(url(Agent, f"{agent.pk}/history/{old}/"), AGENT).status_code in (302, 404)
    assert Agent.objects.get().name == "Ada"
