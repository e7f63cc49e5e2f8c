import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Discussion
from agents.services.discussions import acknowledge, post_message
from agents.services.registry import update_agent
from payroll.models import PayrollMaster
from payroll.services.salaries import set_salary
from rodcorp.actors import Actor
from rodcorp.databases.sides import active_alias
from rodcorp.people.models import User
from rodcorp.people.services import set_password
from tasks.models import Task, TaskDependency, TaskLabel, TaskSkill
from tasks.services.creation import create_task
from tasks.services.work import assign_task, update_task, update_task_status
from tests.kit.everything import SEES, WITHOUT_HISTORY, fill, url

pytestmark = pytest.mark.django_db


def entries(client, row):
    """The entries of a row's history page, newest first: (note, changes)."""
    page = client.get(url(type(row), f"{row.pk}/history/"))
    assert page.status_code == 200
    for record in page.context["page_obj"]:
        for change in record.changes:
            assert change.field in page.text
    return [
        (record.note, [(change.field, change.old, change.new) for change in record.changes])
        for record in page.context["page_obj"]
    ]


def test_a_change_is_shown_from_what_to_what_with_who_and_when(browser, make_agent, make_user):
    agent = make_agent(team="Core")
    user = make_user("supervisor", username="sue")
    update_agent(actor=user.as_actor(address="192.0.2.7"), agent=agent, team="Web", ai_model="qwen")
    client = browser("viewer")
    assert entries(client, agent)[0] == ("", [("Team", "Core", "Web"), ("AI model", "–", "qwen")])
    page = client.get(url(Agent, f"{agent.pk}/history/")).text
    assert "sue (user, 192.0.2.7)" in page
    assert agent.history.latest("history_date").history_date.strftime("%Y-%m-%d %H:%M:%S") in page


def test_columns_that_only_services_move_are_shown_too(browser, make_agent, system):
    task = create_task(actor=system, description="x", agent=make_agent(), priority="high")
    update_task(actor=system, task=task, priority="urgent")
    update_task_status(actor=system, task=task, status="completed")
    newest, earlier, _ = entries(browser("viewer"), task)
    changed = {field: (old, new) for field, old, new in newest[1]}
    assert changed["Status"] == ("pending", "completed")
    assert set(changed) == {"Status", "Review state", "Completed at", "Completion percentage"}
    assert ("Priority", "high", "urgent") in earlier[1]


def test_a_row_that_is_pointed_at_is_shown_by_its_name(browser, make_agent, system):
    task = create_task(actor=system, description="x", agent=make_agent("Ada"))
    assign_task(actor=system, task=task, agent=make_agent("Grace"))
    assert ("Agent", "Ada", "Grace") in entries(browser("viewer"), task)[0][1]


def test_an_acknowledgement_is_compared_with_the_message_as_it_was_posted(browser, system):
    message = post_message(actor=system, topic="News", message="x")
    acknowledge(actor=Actor.system("sweep"), message=message)
    ((_, changes),) = entries(browser("viewer"), message)
    assert ("Acknowledged by", "–", "sweep") in changes


def test_a_new_password_is_noted_but_not_shown(browser, make_user, system):
    user = make_user("viewer", username="vera")
    set_password(actor=system, user=user, password="another-horse-7")
    client = browser()
    newest, created = entries(client, user)
    assert "a password" in newest[0]
    assert newest[1] == created[1] == []
    page = client.get(url(User, f"{user.pk}/history/")).text
    assert User.objects.get(pk=user.pk).password not in page


def test_a_lease_token_is_in_no_history(browser, system):
    task = create_task(actor=system, description="x")
    assert "lease_token" not in {field.name for field in Task.history.model._meta.fields}
    page = browser().get(url(Task, f"{task.pk}/history/")).text
    assert "Lease token" not in page


def test_markup_in_a_value_is_text(browser, make_agent, system):
    agent = make_agent(team="<script>alert(1)</script>")
    update_agent(actor=system, agent=agent, team="<b>bold</b>")
    page = browser("viewer").get(url(Agent, f"{agent.pk}/history/")).text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;bold" in page


def test_the_last_entry_of_a_page_is_compared_with_the_next_pages_first(
    browser, make_agent, system
):
    agent = make_agent(team="Team 0")
    for number in range(1, 60):
        update_agent(actor=system, agent=agent, team=f"Team {number}")
    client = browser("viewer")
    shown = entries(client, agent)
    assert len(shown) == 50
    assert shown[-1] == ("", [("Team", "Team 9", "Team 10")])
    second = client.get(url(Agent, f"{agent.pk}/history/"), {"p": 2}).context["page_obj"]
    assert [record.history_type for record in second][-1] == "+"


@pytest.mark.parametrize("model", [model for model in SEES if model not in WITHOUT_HISTORY])
def test_a_history_page_takes_as_many_queries_however_long_it_is(
    browser, system, make_agent, model
):
    fill(system)
    row = model.objects.first()
    client = browser()

    def queries():
        with CaptureQueriesContext(connections[active_alias()]) as company:
            assert client.get(url(model, f"{row.pk}/history/")).status_code == 200
        return len(company)

    few = queries()
    image = row.history.first()
    for _ in range(30):
        image.pk = None
        image._state.adding = True
        image.history_id = row.history.model._meta.pk.get_default()
        image.save(using=active_alias())
    assert queries() == few <= 5


def test_a_salary_and_what_hangs_on_a_task_have_histories(browser, make_agent, system):
    agent = make_agent()
    since = "2026-01-01"
    set_salary(actor=system, agent=agent, base_salary=100, effective_from=since)
    set_salary(actor=system, agent=agent, base_salary=150, effective_from=since)
    client = browser("viewer")
    assert entries(client, PayrollMaster.objects.get())[0][1] == [("Base salary", "100", "150")]
    fill(system)
    for model in (TaskSkill, TaskLabel, TaskDependency, Discussion):
        assert entries(client, model.objects.first())
