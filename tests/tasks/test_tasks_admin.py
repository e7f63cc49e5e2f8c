import pytest

from agents.services.registry import retire_agent
from payroll.services.ledger import balance_of
from tasks.models import Task, TaskDependency
from tasks.services.creation import create_task
from tasks.services.work import update_task

pytestmark = pytest.mark.django_db

TASKS = "/admin/tasks/task/"
DEPENDENCIES = "/admin/tasks/taskdependency/"


@pytest.fixture
def agent(make_agent):
    return make_agent()


@pytest.fixture
def task(agent, system):
    return create_task(actor=system, description="Fix the build", agent=agent, priority="high")


def form_of(task, **changes):
    """The values a task's page shows, to be changed and sent."""
    form = {
        "title": task.title,
        "description": task.description,
        "agent": task.agent_id or "",
        "status": task.status,
        "completion_percentage": task.completion_percentage,
        "priority": task.priority,
        "version": task.version,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def errors(response):
    return response.context["adminform"].form.errors


def test_a_task_is_created_with_what_was_said_about_it(browser, agent):
    response = browser("supervisor").post(
        f"{TASKS}add/",
        {
            "description": "Fix the build\nquickly",
            "project": "apollo",
            "agent": agent.pk,
            "priority": "40",
            "due_date_0": "2026-12-24",
            "due_date_1": "",
            "labels": "ci\nurgent",
            "skills": "python 5",
        },
    )
    assert response.status_code == 302
    task = Task.objects.get()
    assert (task.title, task.project, task.priority) == ("Fix the build", "apollo", 40)
    assert task.due_date.isoformat() == "2026-12-24T23:59:59+00:00"
    assert set(task.labels.values_list("label", flat=True)) == {"ci", "urgent"}
    assert list(task.skills.values_list("skill", "level")) == [("python", 5)]
    assert task.history.get().actor_name == "a-supervisor"


def test_a_task_takes_its_project_from_its_agent(browser, make_agent):
    agent = make_agent("Grace", project="hermes")
    browser().post(f"{TASKS}add/", {"description": "x", "agent": agent.pk, "priority": "20"})
    assert Task.objects.get().project == "hermes"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("description", "\x07", "U+0007"),
        ("reward", "-1", "from 0 to"),
        ("skills", "python 0", "from 1 to 10"),
        ("due_date_0", "soon", "valid date"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(browser, field, value, said):
    form = {"description": "x", "project": "apollo", "priority": "20", field: value}
    response = browser().post(f"{TASKS}add/", form)
    assert said in str(errors(response)[field.removesuffix("_0")])
    assert not Task.objects.exists()


def test_a_retired_agent_is_refused_at_the_agent(browser, make_agent, task, system):
    old = make_agent("Old")
    retire_agent(actor=system, agent=old)
    response = browser().post(f"{TASKS}{task.pk}/change/", form_of(task, agent=old.pk))
    assert "retired" in str(errors(response)["agent"])


def test_completing_on_the_page_pays(browser, task, agent):
    browser("supervisor").post(
        f"{TASKS}{task.pk}/change/",
        form_of(task, status="completed", completion_percentage=100),
    )
    assert (Task.objects.get().status, balance_of(agent)) == ("completed", 20)


def test_several_services_are_one_unit(browser, task, make_agent):
    other = make_agent("Other")
    response = browser().post(
        f"{TASKS}{task.pk}/change/",
        form_of(task, agent=other.pk, title="New", completion_percentage=101),
    )
    assert "from 0 to 100" in str(errors(response)["completion_percentage"])
    present = Task.objects.get()
    assert (present.agent_id, present.title, present.version) == (task.agent_id, task.title, 1)


def test_agent_title_and_status_change_together(browser, task, make_agent):
    other = make_agent("Other")
    response = browser().post(
        f"{TASKS}{task.pk}/change/",
        form_of(task, agent=other.pk, title="New", status="in_progress"),
    )
    assert response.status_code == 302
    present = Task.objects.get()
    assert (present.agent, present.title, present.status) == (other, "New", "in_progress")


def test_a_step_the_status_does_not_allow_is_refused_at_the_status(browser, task):
    client = browser()
    client.post(TASKS, {"action": "cancel", "_selected_action": [task.pk]})
    task.refresh_from_db()
    response = client.post(f"{TASKS}{task.pk}/change/", form_of(task, status="pending"))
    assert "it is final" in str(errors(response)["status"])


def test_a_page_that_shows_an_old_version_does_not_overwrite_the_new_one(browser, task, system):
    shown = form_of(task)
    update_task(actor=system, task=task, title="Theirs")
    response = browser().post(f"{TASKS}{task.pk}/change/", {**shown, "title": "Mine"})
    assert "changed by somebody else" in response.text
    assert Task.objects.get().title == "Theirs"


def test_actions_say_what_they_did_and_what_was_refused(browser, task, system):
    second = create_task(actor=system, description="Second")
    client = browser()
    client.post(TASKS, {"action": "cancel", "_selected_action": [second.pk]})
    response = client.post(
        TASKS,
        {"action": "complete", "_selected_action": [task.pk, second.pk]},
        follow=True,
    )
    assert "Done for 1" in response.text
    assert "Second: A task that is cancelled cannot become completed" in response.text


def test_a_dependency_is_added_once(browser, task, system):
    other = create_task(actor=system, description="Before")
    client = browser("supervisor")
    form = {"task": task.pk, "kind": "blocks", "depends_on": other.pk, "external": ""}
    assert client.post(f"{DEPENDENCIES}add/", form).status_code == 302
    row = TaskDependency.objects.get()
    assert (row.depends_on, row.history.get().actor_name) == (other, "a-supervisor")
    response = client.post(f"{DEPENDENCIES}add/", form)
    assert "already depends" in str(errors(response)["depends_on"])


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"depends_on": "itself"}, "depends_on", "depend on itself"),
        ({"external": ""}, "depends_on", "must not be empty"),
        ({"kind": ""}, "kind", "required"),
        ({"depends_on": "itself", "external": "X-1"}, "external", "not both"),
    ],
)
def test_a_bad_dependency_is_refused_at_its_field(browser, task, changes, field, said):
    form = {"task": task.pk, "kind": "blocks", "depends_on": "", "external": "", **changes}
    if form["depends_on"] == "itself":
        form["depends_on"] = task.pk
    response = browser().post(f"{DEPENDENCIES}add/", form)
    assert said in str(errors(response)[field])
    assert not TaskDependency.objects.exists()
