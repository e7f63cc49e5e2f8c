import re

import pytest
from django.contrib.admin.options import transaction
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Discussion
from payroll.models import RodCoinsTransaction
from rodcorp.errors import Conflict
from rodcorp.people.models import User
from tasks.models import Task
from tests.kit.everything import fill, url

pytestmark = pytest.mark.django_db

AGENT = {"name": "Grace", "project": "apollo", "communication_port": "8888"}


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
def test_a_viewer_runs_no_action_by_its_name_either(browser, system, model, action):
    fill(system)
    row = model.objects.first()
    before = model.objects.filter(pk=row.pk).values().get()
    browser("viewer").post(url(model), {"action": action, "_selected_action": [str(row.pk)]})
    assert model.objects.filter(pk=row.pk).values().get() == before


def test_nobody_deletes_by_an_action(browser, system):
    fill(system)
    row = Task.objects.first()
    browser("admin").post(
        url(Task), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    )
    assert Task.objects.filter(pk=row.pk).exists()


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

        monkeypatch.setattr("agents.admin.registry.AgentAdmin.create", create)
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


def test_an_old_version_cannot_be_saved_over_the_present_one(browser, make_agent):
    agent = make_agent()
    old = agent.history.get().pk
    client = browser()
    assert client.post(url(Agent, f"{agent.pk}/history/{old}/"), AGENT).status_code in (302, 404)
    assert Agent.objects.get().name == "Ada"
