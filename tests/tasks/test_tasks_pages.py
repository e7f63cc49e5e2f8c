"""The list of tasks and a task's page."""

import re
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from agents.services.discussions import post_message
from agents.services.registry import retire_agent
from rodcorp.actors import Actor
from rodcorp.databases.sides import active_alias
from tasks.models import Review, Task
from tasks.services.creation import NewDependency, add_dependencies, create_task
from tasks.services.work import reward_of, update_task, update_task_status
from tests.pages import csv_of, escaped, form_of, orders, queries, records

pytestmark = pytest.mark.django_db

# in the company's database and in this host's file: who asks, and the session
LIST_QUERIES = (4, 1)
PAGE_QUERIES = (11, 1)

EXPORT = "/tasks/?export=csv"
MANAGERS = {"supervisor", "admin"}
ROLES = sorted({"viewer", "payroll", "operator"} | MANAGERS)

NASTY = [
    "<script>alert('you')</script>",
    "🚀 emoji 👩‍🚀",
    "مرحبا بالعالم، هذا نص من اليمين إلى اليسار",
    "x" * 4000,
]

# what each column shows, as it is compared
COLUMNS = {
    "title": lambda task: task.title.lower(),
    "status": lambda task: task.status,
    "priority": lambda task: task.priority,
    "agent": lambda task: task.agent.name.lower() if task.agent else "",
    "project": lambda task: task.project.lower(),
    "completion_percentage": lambda task: task.completion_percentage,
    "due_date": lambda task: task.due_date.isoformat() if task.due_date else "",
    "review_state": lambda task: task.review_state,
    "reward": reward_of,
    "created_at": lambda task: task.created_at,
}


@pytest.fixture
def agent(make_agent):
    return make_agent("Ada", project="apollo")


@pytest.fixture
def task(agent, system):
    return create_task(
        actor=system, description="Fix the build\nquickly", agent=agent, priority="high"
    )


@pytest.fixture
def fill(make_agent, system):
    """Tasks of all kinds: `fill(n)` makes n, each of another agent."""

    def fill(count):
        for number in range(count):
            agent = make_agent(f"agent-{uuid4()}", project=f"project-{number % 3}")
            made = create_task(
                actor=system,
                description=f"Work {number % 7}",
                agent=agent if number % 4 else None,
                project=f"project-{number % 3}",
                priority=("low", "normal", "high", "urgent")[number % 4],
                due_date=f"2020-01-{number % 28 + 1:02}" if number % 2 else None,
                reward=number if number % 5 == 0 else None,
                labels=["ci", f"label-{number}"],
            )
            status = ("pending", "in_progress", "blocked", "completed")[number % 4]
            update_task_status(actor=system, task=made, status=status)

    return fill


class TestTheList:
    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("direction", ["", "-"])
    def test_every_column_sorts(self, browser, fill, column, direction):
        fill(12)
        rows = records(browser("viewer").get(f"/tasks/?sort={direction}{column}"))
        values = [COLUMNS[column](row) for row in rows]
        assert len(values) == 12
        assert values == sorted(values, reverse=bool(direction))

    def test_its_columns_are_the_ones_that_are_tested(self, browser):
        table = browser("viewer").get("/tasks/").context["table"]
        assert [column.name for column in table.columns if column.orderable] == list(
            dict.fromkeys(column.name for column in table.columns)
        )
        assert {column.name for column in table.columns} == set(COLUMNS)

    @pytest.mark.parametrize("column", COLUMNS)
    def test_no_order_compares_uuids(self, browser, fill, column):
        fill(1)
        client = browser("viewer")
        assert not any("UUID" in order for order in orders(client, f"/tasks/?sort={column}"))

    def test_it_takes_as_many_queries_however_long_it_is(self, browser, fill):
        client = browser("viewer")
        fill(3)
        few = queries(client, "/tasks/")
        fill(57)
        assert queries(client, "/tasks/") == few == LIST_QUERIES

    def test_filters_survive_paging_and_sorting(self, browser, fill, system):
        for number in range(60):
            create_task(actor=system, description=f"Mine {number}", project="apollo")
        fill(9)
        client = browser("viewer")
        page = client.get("/tasks/?project=apollo&sort=title")
        assert "page=2" in page.text
        (link,) = re.findall(r'rel="next"\s+href="([^"]+)"', page.text)
        second = client.get("/tasks/" + link.replace("&amp;", "&"))
        rows = records(page) + records(second)
        assert len({row.pk for row in rows}) == 60
        assert {row.project for row in rows} == {"apollo"}
        (header,) = re.findall(r'<a href="([^"]+)">Priority', second.text)
        assert "project=apollo" in header

    def test_equal_rows_are_on_one_page_each(self, browser, system):
        for number in range(75):
            create_task(actor=system, description="Same", project=f"p{number}")
        client = browser("viewer")
        pages = [client.get(f"/tasks/?sort=status&page={page}") for page in (1, 2)]
        assert len({row.pk for page in pages for row in records(page)}) == 75

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("title=build", {"Fix the build"}),
            ("project=APOLLO", {"Fix the build", "Other"}),
            ("status=in_progress", {"Late"}),
            ("priority=30", {"Fix the build"}),
            ("review_state=waiting", {"Other"}),
            ("label=CI", {"Late"}),
            ("overdue=on", {"Late"}),
            ("overdue=true&status=completed", set()),
            ("agent=null", {"Late"}),
        ],
    )
    def test_each_filter_leaves_what_it_names(self, browser, task, agent, system, query, expected):
        late = create_task(
            actor=system, description="Late", project="b", due_date="2020-01-01", labels=["ci"]
        )
        update_task_status(actor=system, task=late, status="in_progress")
        other = create_task(actor=system, description="Other", agent=agent, due_date="2020-01-01")
        update_task_status(actor=system, task=other, status="completed")
        response = browser("viewer").get(f"/tasks/?{query}")
        assert {row.title for row in records(response)} == expected

    def test_an_agents_tasks_are_a_link(self, browser, task, make_agent, system):
        create_task(actor=system, description="Theirs", agent=make_agent("Grace"))
        retire_agent(actor=system, agent=task.agent)
        response = browser("viewer").get(f"/tasks/?agent={task.agent_id}")
        assert records(response) == [task]
        assert f'value="{task.agent_id}" selected' in response.text

    def test_a_condition_that_cannot_be_read_is_said_at_its_filter(self, browser, task):
        response = browser("viewer").get(f"/tasks/?agent={uuid4()}")
        assert records(response) == []
        assert "not one of the available choices" in response.text

    def test_overdue_is_said_in_words(self, browser, system):
        create_task(actor=system, description="x", due_date="2020-01-01")
        assert "overdue</span>" in browser("viewer").get("/tasks/").text

    def test_the_export_has_what_is_shown_in_that_order_and_all_of_it(self, browser, fill):
        fill(60)
        client = browser("viewer")
        rows = csv_of(client, f"{EXPORT}&sort=-reward&status=pending")
        expected = Task.objects.filter(status="pending")
        assert len(rows) == expected.count()
        rewards = [int(row["Reward"]) for row in rows]
        assert rewards == sorted(map(reward_of, expected), reverse=True)
        assert list(rows[0]) == [
            "Task",
            "Status",
            "Priority",
            "Agent",
            "Project",
            "Done",
            "Due",
            "Review",
            "Reward",
            "Created",
        ]

    def test_the_export_of_a_filtered_list_is_a_link(self, browser, fill):
        fill(60)
        client = browser("viewer")
        page = client.get("/tasks/?status=pending&sort=title&page=1").text
        (link,) = re.findall(r'href="([^"]+)">CSV', page)
        rows = csv_of(client, "/tasks/" + link.replace("&amp;", "&"))
        titles = [row["Task"] for row in rows]
        assert len(titles) == Task.objects.filter(status="pending").count()
        assert titles == sorted(titles)

    def test_another_order_begins_on_the_first_page(self, browser, fill):
        fill(60)
        page = browser("viewer").get("/tasks/?project=project-1&page=2").text
        (link,) = re.findall(r'href="([^"]+)">Priority', page)
        assert link == "?project=project-1&amp;sort=priority"

    def test_an_exported_title_is_no_formula(self, browser, system):
        create_task(actor=system, description='=HYPERLINK("http://x")', due_date="2020-01-01")
        (row,) = csv_of(browser("viewer"), EXPORT)
        assert row["Task"] == '\'=HYPERLINK("http://x")'
        assert row["Due"] == "2020-01-01T23:59:59+00:00"
        assert (row["Status"], row["Agent"], row["Review"]) == ("pending", "", "none")
        assert (row["Done"], row["Reward"]) == ("0", "10")

    @pytest.mark.parametrize("text", [text[:190] for text in NASTY])
    def test_a_title_is_shown_and_not_run(self, browser, system, text):
        create_task(actor=system, description="x", title=text)
        page = browser("viewer").get("/tasks/").text
        assert "<script>alert" not in page
        assert escaped(text) in page


class TestWhoMay:
    @pytest.mark.parametrize("role", ROLES)
    def test_every_role_sees_list_and_page_and_managers_their_forms(self, browser, task, role):
        client = browser(role)
        manages = role in MANAGERS
        for url in ("/tasks/", f"/tasks/{task.pk}/"):
            assert client.get(url).status_code == 200
        page = client.get(f"/tasks/{task.pk}/").text
        for address in ("edit", "move", "assign"):
            assert (f"/tasks/{task.pk}/{address}/" in page) == manages
        assert ("/tasks/new/" in client.get("/tasks/").text) == manages

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("address", ["new", "{}/edit", "{}/move", "{}/assign"])
    def test_only_managers_reach_a_form_by_its_address(self, browser, task, role, address):
        client, url = browser(role), f"/tasks/{address.format(task.pk)}/"
        expected = 200 if role in MANAGERS else 403
        before = list(Task.objects.values())
        assert client.get(url).status_code == expected
        assert client.post(url, {}).status_code == expected
        assert list(Task.objects.values()) == before

    @pytest.mark.parametrize("address", ["", "new/", "{}/", "{}/edit/", "{}/move/", "{}/assign/"])
    def test_strangers_are_sent_to_the_login_page(self, task, address):
        url = f"/tasks/{address.format(task.pk)}"
        for response in (Client().get(url), Client().post(url, {})):
            assert response.status_code == 302
            assert response.url.startswith("/admin/login/")

    def test_a_form_from_elsewhere_is_refused(self, make_user, task):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user("admin"))
        assert client.post(f"/tasks/{task.pk}/move/", {"status": "completed"}).status_code == 403

    def test_a_task_that_is_not_there_is_not_found(self, browser):
        client = browser()
        for address in ("", "edit/", "move/", "assign/"):
            assert client.get(f"/tasks/{uuid4()}/{address}").status_code == 404


class TestAPage:
    def test_it_takes_as_many_queries_however_much_happened(self, browser, task, agent, system):
        client = browser()
        url = f"/tasks/{task.pk}/"
        few = queries(client, url)
        for number in range(30):
            other = create_task(actor=system, description=f"Other {number}", agent=agent)
            add_dependencies(
                actor=system,
                dependencies=[
                    NewDependency(task.pk, other.pk),
                    NewDependency(other.pk, task.pk),
                    NewDependency(task.pk, external=f"elsewhere {number}"),
                ],
            )
            update_task_status(actor=system, task=task, status="completed")
            update_task_status(actor=system, task=task, status="in_progress")
        assert queries(client, url) == few == PAGE_QUERIES

    @pytest.mark.parametrize("text", NASTY)
    def test_a_text_is_shown_and_not_run(self, browser, system, text):
        task = create_task(actor=system, description=f"One\n{text}", labels=[text[:90]])
        update_task(actor=system, task=task, supervisor_notes=text, title=text[:190])
        page = browser().get(f"/tasks/{task.pk}/").text
        assert "<script>alert" not in page
        safe = escaped(text)
        assert f"One\n{safe}" in page

    def test_it_shows_both_ways_of_a_dependency_and_what_is_elsewhere(self, browser, task, system):
        first = create_task(actor=system, description="First")
        last = create_task(actor=system, description="Last")
        add_dependencies(
            actor=system,
            dependencies=[
                NewDependency(task.pk, first.pk),
                NewDependency(last.pk, task.pk),
                NewDependency(task.pk, external="JIRA-7 <b>"),
            ],
        )
        page = browser("viewer").get(f"/tasks/{task.pk}/")
        said = [
            (relation.words, relation.other.title if relation.other else relation.external)
            for relation in page.context["relations"]
        ]
        assert set(said) == {
            ("waits for", "First"),
            ("waits for", "JIRA-7 <b>"),
            ("blocks", "Last"),
        }
        assert "JIRA-7 &lt;b&gt;" in page.text

    def test_it_shows_what_each_round_paid(self, browser, task, system):
        for status in ("completed", "in_progress", "completed"):
            update_task_status(actor=system, task=task, status=status)
        paid = browser("viewer").get(f"/tasks/{task.pk}/").context["paid"]
        assert [(row.signed, bool(row.is_reversed)) for row in paid] == [(20, False), (20, True)]

    def test_it_says_who_changed_what_and_when(self, browser, task, agent, make_agent):
        grace = make_agent("Grace", project="apollo")
        boss = Actor.system("boss")
        update_task(actor=boss, task=task, priority="urgent", description="New", reward=3)
        update_task_status(actor=boss, task=task, status="in_progress", completion_percentage=40)
        client = browser("supervisor")
        form = form_of(client.get(f"/tasks/{task.pk}/").text, "assign")
        client.post(f"/tasks/{task.pk}/assign/", {**form, "agent": grace.pk})
        changes = client.get(f"/tasks/{task.pk}/").context["story"].changes
        told = [
            (change.who, [(step.what, step.before, step.after) for step in change.steps])
            for change in changes
        ]
        assert told == [
            ("a-supervisor", [("agent", "Ada", "Grace")]),
            ("boss", [("status", "pending", "in progress"), ("done", "0%", "40%")]),
            (
                "boss",
                [("priority", "high", "urgent"), ("reward", "none", "3"), ("description", "", "")],
            ),
            ("test", []),
        ]
        assert changes[0].at > changes[-1].at

    def test_only_the_latest_changes_are_told(self, browser, task, system):
        for number in range(25):
            update_task(actor=system, task=task, reward=number)
        story = browser("viewer").get(f"/tasks/{task.pk}/").context["story"]
        assert len(story.changes) == 20
        assert story.has_more
        assert all(change.steps for change in story.changes)

    def test_it_links_its_discussion(self, browser, task, agent, system):
        message = post_message(actor=system, agent=agent, topic="Builds", message="Broken")
        update_task(actor=system, task=task, thread=message.thread_id)
        page = browser("viewer").get(f"/tasks/{task.pk}/").text
        assert f'href="/discussions/{message.thread_id}/"' in page

    def test_a_row_of_another_program_breaks_nothing(self, browser):
        with connections[active_alias()].cursor() as cursor:
            cursor.execute(
                'INSERT INTO "AgentTodoTracking" ("TaskUUID", "ProjectID", "Title", "Description")'
                " VALUES (%s, 'p', '', '')",
                [uuid4().hex],
            )
        client, task = browser(), Task.objects.get()
        assert client.get("/tasks/").status_code == 200
        page = client.get(f"/tasks/{task.pk}/").text
        assert "another program wrote this task" in page
        assert client.get(f"/tasks/{task.pk}/edit/").status_code == 200
        assert len(csv_of(client, EXPORT)) == 1

    def test_it_shows_its_reviews(self, browser, task):
        Review(
            task=task,
            round_number=1,
            version_seen=1,
            verdict="approved",
            correctness=5,
            note="<b>Good</b>",
            reviewed_at=timezone.now(),
            actor_name="Grace",
        ).save()
        page = browser("viewer").get(f"/tasks/{task.pk}/").text
        assert "correctness 5" in page
        assert "&lt;b&gt;Good&lt;/b&gt;" in page
