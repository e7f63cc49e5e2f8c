"""Every table in the admin: who sees it and may do what, and what its list costs."""

import re

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from agents.models import Agent, AgentSkill, Discussion
from payroll.models import (
    Evaluation,
    LedgerSeal,
    Observation,
    PayCycleStep,
    PayScale,
    Payslip,
    PerformanceBand,
    RodCoinsTransaction,
)
from rodcorp.databases.sides import active_alias
from rodcorp.kit.admin import BaseAdmin
from rodcorp.people.models import User
from tasks.models import DispatchDecision, Task, TaskDependency, TaskSkill
from tests.kit.everything import (
    ADDS,
    CHANGES,
    EVERYBODY,
    IMPORTS,
    NOBODY,
    SECRET,
    SEES,
    WITHOUT_HISTORY,
    fill,
    url,
)

pytestmark = pytest.mark.django_db

MODELS = list(SEES)


def name_of(model):
    return model.__name__


every_model = pytest.mark.parametrize("model", MODELS, ids=name_of)


def admin_of(model):
    return django_admin.site._registry[model]


def test_every_table_and_nothing_else_is_in_the_admin():
    assert set(django_admin.site._registry) == set(MODELS)
    assert not django_admin.site.is_registered(Group)
    for model_admin in django_admin.site._registry.values():
        assert isinstance(model_admin, BaseAdmin)


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_the_index_lists_what_a_role_may_see_by_department(browser, role):
    response = browser(role).get("/admin/")
    groups = {group["name"]: group["models"] for group in response.context["app_list"]}
    listed = {model["model"] for models in groups.values() for model in models}
    assert listed == {model for model in MODELS if role in SEES[model]}
    assert "Other" not in groups
    for model in listed:
        assert f'href="{url(model)}"' in response.text


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_a_role_sees_exactly_what_it_may_by_its_address(browser, system, role):
    fill(system)
    client = browser(role)
    hashes = [user.password for user in User.objects.all()]
    for model in MODELS:
        key = model.objects.first().pk
        pages = ["", "?q=a", f"{key}/change/", "export/"]
        expected = 200 if role in SEES[model] else 403
        for page in pages:
            response = client.get(url(model, page))
            assert response.status_code == expected, (model, page)
            for secret in (SECRET[:40], *hashes):
                assert secret not in response.text, (model, page)
        has_history = model not in WITHOUT_HISTORY
        response = client.get(url(model, f"{key}/history/"))
        assert response.status_code == (expected if has_history else 404), model
        assert SECRET[:40] not in response.text


@every_model
@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_a_role_writes_exactly_what_it_may_by_its_address(browser, system, role, model):
    fill(system)
    client, key = browser(role), model.objects.first().pk
    before = list(model.objects.order_by("pk").values())

    def status(allowed):
        return 200 if role in allowed.get(model, NOBODY) else 403

    assert client.get(url(model, "add/")).status_code == status(ADDS)
    assert client.post(url(model, "add/"), {}).status_code == status(ADDS)
    assert client.post(url(model, f"{key}/change/"), {}).status_code == status(CHANGES)
    if model in IMPORTS:
        assert client.get(url(model, "import/")).status_code == status(IMPORTS)
        for sent in ({}, {"upload": "x"}):
            assert client.post(url(model, "import/"), sent).status_code == status(IMPORTS)
    else:
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_import")
    assert client.get(url(model, f"{key}/delete/")).status_code == 403
    assert client.post(url(model, f"{key}/delete/"), {"post": "yes"}).status_code == 403
    for action in ("delete_selected", *(admin_of(model).actions if role == "viewer" else ())):
        client.post(url(model), {"action": action, "_selected_action": [key], "post": "yes"})
    assert list(model.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "page", ["", "add/", "import/", "export/", "0/change/", "0/delete/", "0/history/"]
)
def test_strangers_are_sent_to_the_login_page(page):
    for model in MODELS:
        response = Client().get(url(model, page))
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")


def test_a_list_and_its_export_take_as_many_queries_however_long_they_are(browser, system):
    client = browser()

    def queries(address):
        with (
            CaptureQueriesContext(connections[active_alias()]) as company,
            CaptureQueriesContext(connections["local"]) as local,
        ):
            assert client.get(address).status_code == 200
        return len(company), len(local)

    def all_queries():
        return {model: (queries(url(model)), queries(url(model, "export/"))) for model in MODELS}

    fill(system, 0, 3)
    few = all_queries()
    fill(system, 3, 57)
    assert all_queries() == few
    assert {model: lists for model, (lists, _) in few.items()} == {
        model: LIST_QUERIES.get(model, HOST_QUERIES if is_of_host(model) else (3, 1))
        for model in MODELS
    }
    exports = {model: sum(export) for model, (_, export) in few.items()}
    assert max(exports.values()) <= 6


# In the company's database: who asks, the count, the page, and one for each filter of free words;
# in this host's: the session. A list has (3, 1) without such filters.
LIST_QUERIES = {
    Agent: (6, 1),
    AgentSkill: (4, 1),
    Discussion: (5, 1),
    RodCoinsTransaction: (4, 1),
    PayScale: (4, 1),
    PerformanceBand: (4, 1),
    PayCycleStep: (4, 1),
    Payslip: (4, 1),
    LedgerSeal: (4, 1),
    Evaluation: (4, 1),
    Observation: (4, 1),
    Task: (4, 1),
    TaskSkill: (4, 1),
    TaskDependency: (4, 1),
    DispatchDecision: (4, 1),
}
HOST_QUERIES = (1, 3)


def is_of_host(model):
    return model._meta.app_label in ("kit", "django_q", "axes")


@every_model
def test_a_list_sorts_by_every_column_but_those_that_are_no_column(browser, system, model):
    fill(system, 0, 3)
    client = browser()
    page = client.get(url(model))
    names = list(page.context["cl"].list_display)
    sortable = [number for number, name in enumerate(names) if column(page, name)]
    assert len(names) - names.count("action_checkbox") <= 8
    assert sortable
    unsorted_names = {name for name in names if not column(page, name)}
    assert unsorted_names <= {"action_checkbox", *NO_COLUMN}
    for number in sortable:
        name = column(page, names[number])
        for order, expected in ((str(number), name), (f"-{number}", f"-{name}")):
            rows = client.get(url(model), {"o": order}).context["cl"].queryset
            assert rows.query.order_by[0] == expected
            assert len(rows) >= 3


NO_COLUMN = {"excerpt", "shown_scopes", "shown_name", "short_error", "shown_state"}


def column(page, name):
    return page.context["cl"].get_ordering_field(name)


def test_filters_search_and_order_survive_paging(browser, system):
    fill(system, 0, 60)
    client = browser()
    page = client.get(url(Agent), {"status": "active", "q": "agent", "o": "-1"})
    link = re.search(r'href="(\?[^"]*\bp=2[^"]*)"', page.text)[1].replace("&amp;", "&")
    assert {"status=active", "q=agent", "o=-1", "p=2"} == set(link[1:].split("&"))
    second = client.get(url(Agent) + link).context["cl"].result_list
    assert [agent.name for agent in second] == [f"Agent {number:02}" for number in range(9, -1, -1)]


def test_a_payslip_shows_its_lines(browser, system):
    fill(system, 0, 3)
    client = browser("viewer")
    for slip in Payslip.objects.all():
        page = client.get(url(Payslip, f"{slip.pk}/change/")).text
        assert f"Base {slip.net}" in page
        assert page.count("Base ") == 1


def test_an_unlocked_user_may_try_again(browser, system):
    from axes.models import AccessAttempt

    fill(system, 0, 2)
    chosen = AccessAttempt.objects.get(username="user 1")
    choice = {"action": "unlock", "_selected_action": [chosen.pk]}
    browser("operator").post(url(AccessAttempt), choice)
    assert AccessAttempt.objects.count() == 2
    browser("admin").post(url(AccessAttempt), choice)
    assert AccessAttempt.objects.get().username == "user 0"
