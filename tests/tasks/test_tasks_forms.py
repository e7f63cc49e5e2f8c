"""The forms that create, change, move and assign tasks."""

import pytest

from agents.services.registry import retire_agent
from payroll.services.ledger import balance_of
from tasks.models import Task
from tasks.services.creation import create_task
from tasks.services.work import update_task, update_task_status
from tests.pages import form_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(make_agent):
    return make_agent("Ada", project="apollo")


@pytest.fixture
def task(agent, system):
    return create_task(
        actor=system, description="Fix the build\nquickly", agent=agent, priority="high"
    )


class TestCreating:
    def test_a_task_is_created_with_what_was_said(self, browser, agent):
        client = browser("supervisor")
        form = form_of(client.get(f"/tasks/new/?agent={agent.pk}").text)
        assert form["agent"] == str(agent.pk)
        response = client.post(
            "/tasks/new/",
            {
                **form,
                "description": "Fix the build\nquickly",
                "priority": "40",
                "due_date": "2026-12-24",
                "due_time": "14:30",
                "reward": "7",
                "labels": "ci\nurgent",
                "skills": "python 5",
            },
        )
        task = Task.objects.get()
        assert response.url == f"/tasks/{task.pk}/"
        assert (task.title, task.project, task.agent) == ("Fix the build", "apollo", agent)
        assert (task.priority, task.reward) == (40, 7)
        assert task.due_date.isoformat() == "2026-12-24T14:30:00+00:00"
        assert set(task.labels.values_list("label", flat=True)) == {"ci", "urgent"}
        assert list(task.skills.values_list("skill", "level")) == [("python", 5)]
        assert task.history.get().actor_name == "a-supervisor"

    def test_a_due_day_ends_with_the_day(self, browser):
        form = {"description": "x", "priority": "20", "due_date": "2026-12-24"}
        browser().post("/tasks/new/", form)
        assert Task.objects.get().due_date.isoformat() == "2026-12-24T23:59:59+00:00"

    def test_the_same_form_sent_twice_creates_one(self, browser):
        client = browser()
        form = {**form_of(client.get("/tasks/new/").text), "description": "Once"}
        answers = [client.post("/tasks/new/", form) for _ in range(2)]
        assert Task.objects.count() == 1
        assert answers[0].url == answers[1].url
        again = client.post("/tasks/new/", {**form, "description": "Other"})
        assert "already saved" in again.text
        assert Task.objects.count() == 1

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("description", "", "required"),
            ("description", "\x07", "U+0007"),
            ("description", "x" * 40_001, "at most 40000"),
            ("title", "x" * 201, "at most 200"),
            ("agent", "nobody", "not a valid UUID"),
            ("project", "p" * 101, "at most 100"),
            ("priority", "50", "valid choice"),
            ("due_date", "soon", "2026-11-23"),
            ("due_date", "2026-02-30", "2026-11-23"),
            ("reward", "-1", "from 0 to"),
            ("reward", "many", "whole number"),
            ("labels", "l" * 101, "at most 100"),
            ("skills", "python", "python 7"),
            ("skills", "python 11", "from 1 to 10"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(self, browser, field, value, said):
        typed = {"description": "Do it", "title": "Typed", "priority": "20", "labels": "kept"}
        response = browser().post("/tasks/new/", {**typed, field: value})
        form = response.context["form"]
        assert list(form.errors) == [field]
        assert said in form.errors[field][0]
        assert {name: form[name].value() for name in typed} == {**typed, field: value} or (
            field not in typed and form[field].value() == value
        )
        assert not Task.objects.exists()

    def test_a_retired_agent_is_not_offered_and_not_taken(self, browser, agent, system):
        retire_agent(actor=system, agent=agent)
        client = browser()
        assert str(agent.pk) not in client.get("/tasks/new/").text
        form = {"description": "x", "priority": "20", "agent": agent.pk}
        response = client.post("/tasks/new/", form)
        assert response.context["form"].errors == {"agent": ["Choose an agent in service."]}

    @pytest.mark.parametrize("whom", ["", "nobody", "00000000-0000-0000-0000-000000000000"])
    def test_an_address_that_names_no_agent_opens_an_empty_form(self, browser, whom):
        assert browser().get(f"/tasks/new/?agent={whom}").status_code == 200


class TestMoving:
    def test_only_what_the_status_leads_to_is_offered(self, browser, task):
        form = browser().get(f"/tasks/{task.pk}/").context["move_form"]
        assert [value for value, _ in form.fields["status"].choices] == [
            "pending",
            "in_progress",
            "completed",
            "blocked",
            "cancelled",
        ]

    def test_a_final_task_offers_no_move_and_nobody_to_assign(self, browser, task, system):
        update_task_status(actor=system, task=task, status="cancelled")
        page = browser().get(f"/tasks/{task.pk}/").context
        assert "move_form" not in page
        assert "assign_form" not in page

    def test_completing_pays_whatever_percentage_was_records(self, browser, task, agent, system):
        update_task_status(actor=system, task=task, status="in_progress", completion_percentage=40)
        client = browser("supervisor")
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "move")
        assert form["completion_percentage"] == "40"
        response = client.post(f"/tasks/{task.pk}/move/", {**form, "status": "completed"})
        assert response.url == f"/tasks/{task.pk}/"
        task.refresh_from_db()
        assert (task.status, task.completion_percentage) == ("completed", 100)
        assert balance_of(agent) == 20

    def test_the_same_form_sent_twice_pays_once(self, browser, task, agent):
        client = browser()
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "move")
        for _ in range(2):
            client.post(f"/tasks/{task.pk}/move/", {**form, "status": "completed"})
        assert balance_of(agent) == 20
        assert Task.objects.get().round_number == 1

    @pytest.mark.parametrize(
        ("typed", "field", "said"),
        [
            (
                {"completion_percentage": "101"},
                "completion_percentage",
                "Percentage done must be a whole number from 0 to 100",
            ),
            ({"completion_percentage": "half"}, "completion_percentage", "whole number"),
            ({"status": "done"}, "status", "valid choice"),
            (
                {"status": "completed", "completion_percentage": "50"},
                "completion_percentage",
                "completed task is 100",
            ),
        ],
    )
    def test_a_refusal_is_at_its_field(self, browser, task, typed, field, said):
        client = browser()
        sent = {**form_of(client.get(f"/tasks/{task.pk}/").text, "move"), **typed}
        form = client.post(f"/tasks/{task.pk}/move/", sent).context["move_form"]
        assert said in form.errors[field][0]
        assert {name: form[name].value() for name in typed} == typed
        assert Task.objects.get().version == 1

    def test_an_old_page_does_not_undo_what_happened_since(self, browser, task, system):
        client = browser()
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "move")
        update_task(actor=system, task=task, title="Theirs")
        response = client.post(f"/tasks/{task.pk}/move/", {**form, "status": "blocked"})
        assert "changed by somebody else" in response.text
        assert Task.objects.get().status == "pending"

    @pytest.mark.parametrize("version", ["", "0", "old"])
    def test_a_form_without_a_version_changes_nothing(self, browser, task, version):
        client = browser()
        sent = {"status": "completed", "version": version}
        assert client.post(f"/tasks/{task.pk}/move/", sent).status_code == 200
        assert Task.objects.get().status == "pending"


class TestAssigning:
    def send(self, client, task, agent):
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "assign")
        return client.post(f"/tasks/{task.pk}/assign/", {**form, "agent": agent})

    def test_a_task_goes_to_an_agent_and_back_to_the_pool(self, browser, task, make_agent):
        grace = make_agent("Grace")
        client = browser("supervisor")
        assert self.send(client, task, grace.pk).status_code == 302
        assert Task.objects.get().agent == grace
        assert self.send(client, task, "").status_code == 302
        assert Task.objects.get().agent is None

    def test_the_one_who_has_it_is_shown_though_retired(self, browser, task, agent, system):
        retire_agent(actor=system, agent=agent)
        client = browser()
        response = self.send(client, task, agent.pk)
        assert "is retired" in response.context["assign_form"].errors["agent"][0]
        assert form_of(response.text, "assign")["agent"] == str(agent.pk)

    def test_an_old_page_does_not_reassign(self, browser, task, make_agent, system):
        client = browser()
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "assign")
        update_task(actor=system, task=task, title="Theirs")
        sent = {**form, "agent": make_agent("Grace").pk}
        response = client.post(f"/tasks/{task.pk}/assign/", sent)
        assert "changed by somebody else" in response.text
        assert Task.objects.get().agent.name == "Ada"


class TestEditing:
    def form(self, client, task):
        return form_of(client.get(f"/tasks/{task.pk}/edit/").text)

    def test_only_what_was_changed_is_written(self, browser, task, system):
        update_task(actor=system, task=task, due_date="2026-12-24T14:30:15Z")
        client = browser("supervisor")
        form = self.form(client, task)
        assert (form["due_date"], form["due_time"]) == ("2026-12-24", "14:30")
        client.post(f"/tasks/{task.pk}/edit/", {**form, "supervisor_notes": "Soon\nplease"})
        task.refresh_from_db()
        assert task.supervisor_notes == "Soon\nplease"
        assert task.due_date.isoformat() == "2026-12-24T14:30:15+00:00"
        assert task.description == "Fix the build\nquickly"

    def test_a_page_sent_as_it_is_changes_nothing(self, browser, task):
        client = browser()
        client.post(f"/tasks/{task.pk}/edit/", self.form(client, task))
        assert Task.objects.get().version == 1

    def test_what_is_emptied_is_taken_away(self, browser, agent, system):
        task = create_task(
            actor=system, description="x", agent=agent, due_date="2026-12-24", reward=5
        )
        client = browser()
        form = {**self.form(client, task), "due_date": "", "reward": ""}
        client.post(f"/tasks/{task.pk}/edit/", form)
        task.refresh_from_db()
        assert (task.due_date, task.reward) == (None, None)

    def test_a_refusal_keeps_what_was_typed(self, browser, task):
        client = browser()
        form = {**self.form(client, task), "title": "New", "reward": "-1"}
        response = client.post(f"/tasks/{task.pk}/edit/", form)
        assert list(response.context["form"].errors) == ["reward"]
        assert 'value="New"' in response.text
        assert Task.objects.get().title == "Fix the build"

    def test_an_old_page_does_not_overwrite_the_new_text(self, browser, task, system):
        client = browser()
        form = self.form(client, task)
        update_task(actor=system, task=task, description="Theirs")
        response = client.post(f"/tasks/{task.pk}/edit/", {**form, "title": "Mine"})
        assert "changed by somebody else" in response.text
        assert Task.objects.get().description == "Theirs"
