"""What could not be brought home as it was written, as people find it and deal with it."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.test import Client

from agents.models import Discussion
from rodcorp.actors import ROLE_PERMISSIONS, Permission
from rodcorp.console.images import columns_of, text_of
from rodcorp.databases import results
from rodcorp.databases.models import Conflict
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.sync.conflicts import SECRET
from tasks.services.creation import create_task
from tests.pages import csv_of, escaped, form_of, orders, queries, records

pytestmark = pytest.mark.django_db

AGENTS, TASKS = "GlobalAgentRegistry", "AgentTodoTracking"
START = datetime(2026, 1, 1, tzinfo=UTC)
ROLES = sorted(ROLE_PERMISSIONS)
RUNS_THE_SYSTEM = [role for role in ROLES if Permission.RUN_SYSTEM in ROLE_PERMISSIONS[role]]

NASTY = {
    "a script": "<script>alert(1)</script><img src=x onerror='alert(1)'>",
    "an emoji": "Shipped 🎉👩‍👩‍👧‍👦",
    "right to left": "مرحبا بالعالم — שלום עולם",
    "4,000 characters": "x" * 4_000,
    "a template": "{{ user.password }}{% now 'Y' %}",
}


def image(row):
    return None if row is None else json.dumps(results.encode(row))


def conflict(number=0, *, base=None, ours=None, theirs=None, **values):
    at = START + timedelta(hours=number)
    values = {
        "kind": "conflict",
        "unit": uuid4(),
        "host": uuid4(),
        "operation": "agents.update",
        "caller": "command:import",
        "table_name": AGENTS,
        "row_key": uuid4(),
        "rule": "both sides changed it",
        "happened_at": at,
        "recorded_at": at,
        **values,
    }
    return Conflict.objects.create(
        id=uuid4(), base=image(base), ours=image(ours), theirs=image(theirs), **values
    )


def address(found):
    return f"/databases/conflicts/{found.pk}/"


def page_of(client, found):
    answer = client.get(address(found))
    assert answer.status_code == 200
    return answer.content.decode()


def marks(found):
    """By the name of the column, what the page says of it."""
    return {column.name: column.mark for column in columns_of(found)}


# --- the list -------------------------------------------------------------------------------------


def test_an_empty_list_says_that_all_is_well(browser):
    page = browser("viewer").get("/databases/conflicts/").content.decode()
    assert "All that was written is where it belongs." in page


def test_the_list_is_narrowed_by_state_kind_and_table(browser):
    resolved = conflict(1, resolved_at=START)
    quarantined = conflict(2, kind="quarantine", table_name=TASKS)
    both_open = conflict(3)
    client = browser("viewer")

    def found(query):
        return records(client.get(f"/databases/conflicts/?{query}"))

    assert found("") == [both_open, quarantined, resolved]
    assert found("state=open") == [both_open, quarantined]
    assert found("state=resolved") == [resolved]
    assert found("kind=quarantine") == [quarantined]
    assert found(f"table={AGENTS}&state=open") == [both_open]
    assert found("table=Nothing") == []


@pytest.mark.parametrize(
    "column", ["recorded_at", "kind", "table_name", "rule", "lost", "operation", "resolved_at"]
)
def test_it_sorts_by_every_column_both_ways(browser, column):
    for number in range(3):
        conflict(number)
    client = browser("viewer")
    for order in (column, f"-{column}"):
        address = f"/databases/conflicts/?sort={order}"
        assert len(records(client.get(address))) == 3
        assert all(orders(client, address)[1:])


def test_rows_of_one_unit_are_on_one_page_each(browser):
    """They are recorded at one moment, under one rule."""
    unit = uuid4()
    for _ in range(60):
        conflict(unit=unit)
    client = browser("viewer")
    pages = [records(client.get(f"/databases/conflicts/?page={number}")) for number in (1, 2)]
    assert len({found.pk for page in pages for found in page}) == 60


def test_it_is_exported_as_it_is_shown(browser):
    conflict(1, lost="team", resolved_at=START)
    conflict(2, rule="=1+1")
    rows = csv_of(browser("viewer"), "/databases/conflicts/?export=csv")
    assert [row["Rule"] for row in rows] == ["'=1+1", "both sides changed it"]
    assert [row["State"] for row in rows] == ["open", "resolved"]
    assert rows[1]["Not taken"] == "team"


# --- one of them ----------------------------------------------------------------------------------


def test_the_columns_that_differ_come_first_and_say_how(browser):
    found = conflict(
        base={"name": "Ada", "team": "Core", "role": "a", "seniority": "x", "status": "active"},
        ours={"name": "Ada", "team": "Ours", "role": "b", "seniority": "x", "status": "retired"},
        theirs={
            "name": "Ada",
            "team": "Theirs",
            "role": "a",
            "seniority": "y",
            "status": "retired",
        },
        lost="team",
    )
    assert marks(found) == {
        "Team": "ours was not taken",
        "Role": "changed here",
        "Seniority": "changed on SQL Server",
        "Status": "both changed it alike",
        "Name": "",
    }
    assert list(marks(found))[-1] == "Name"
    page = page_of(browser("viewer"), found)
    for word in ("Core", "Ours", "Theirs", "ours was not taken", "changed on SQL Server"):
        assert word in page
    assert "1 columns that are the same" in page


def test_what_follows_from_other_rows_and_the_version_say_nothing():
    found = conflict(
        base={"name": "Ada", "total_rodcoins_earned": 1, "version": 1},
        ours={"name": "Ada", "total_rodcoins_earned": 2, "version": 2},
    )
    assert marks(found) == {"Name": "", "Total rodcoins earned": ""}


def test_two_rows_that_should_be_one_are_compared_without_a_row_before(browser):
    found = conflict(ours={"name": "Ada", "team": "A"}, theirs={"name": "Ada", "team": "B"})
    assert marks(found) == {"Team": "differs", "Name": ""}
    page = page_of(browser("viewer"), found)
    assert "There was no such row before; it was made here." in page
    assert "Before (base)" not in page


def test_a_row_that_was_deleted_on_one_side_says_so(browser):
    client, row = browser("viewer"), {"name": "Ada"}
    assert "Here the row was deleted." in page_of(client, conflict(base=row, theirs=row))
    assert "SQL Server had no such row." in page_of(client, conflict(base=row, ours=row))


def test_in_quarantine_it_says_that_nothing_came_home(browser):
    unit = uuid4()
    found = conflict(kind="quarantine", unit=unit, ours={"name": "Ada"})
    other = conflict(kind="quarantine", unit=unit, table_name=TASKS)
    page = page_of(browser("viewer"), found)
    assert "Nothing of this unit is on SQL Server" in page
    assert "SQL Server had no such row" not in page
    assert address(other) in page


@pytest.mark.parametrize("kind", NASTY)
def test_a_nasty_text_is_shown_as_it_is_wherever_it_stands(browser, kind):
    text = NASTY[kind]
    short = text[:100]
    found = conflict(
        ours={"team": text}, rule=short, operation=short, caller=short, resolved_by=short
    )
    page = page_of(browser(), found)
    assert page.count(escaped(short)) >= 4
    assert escaped(text) in page
    assert "<script>alert(1)" not in page


def test_a_text_beyond_all_measure_is_cut_and_counted(browser):
    page = page_of(browser("viewer"), conflict(ours={"team": "x" * 10_005}))
    assert "… and 5 characters more" in page


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        ("", "empty"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC), "2026-01-02 03:04:05.6 UTC"),
        (datetime(2026, 1, 2, 3, 4, 50, tzinfo=UTC), "2026-01-02 03:04:50 UTC"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [1]}, '{\n "a": [\n  1\n ]\n}'),
    ],
)
def test_values_read_as_people_would_say_them(value, shown):
    assert text_of(value) == shown


def test_a_choice_is_named_with_its_value():
    field = Discussion._meta.get_field("priority")
    assert re.fullmatch(r"\w+ \(\d+\)", text_of(field.flatchoices[0][0], field))


def test_who_a_row_points_at_is_named(browser, make_agent):
    ada = make_agent("Ada")
    gone = uuid4()
    found = conflict(table_name=TASKS, ours={"agent_id": ada.pk}, theirs={"agent_id": gone})
    page = page_of(browser("viewer"), found)
    assert f"Ada ({str(ada.pk)[:8]})" in page
    assert str(gone) in page


def test_secrets_are_not_shown_but_that_they_differ_is(browser):
    found = conflict(
        table_name="PeopleUsers",
        base={"password": "hash-0"},
        ours={"password": "hash-1"},
        theirs={"password": "hash-2"},
        lost="password",
    )
    page = page_of(browser(), found)
    assert "hash-" not in page
    assert page.count("not shown") == 3
    assert "ours was not taken" in page


def test_every_column_that_sounds_like_a_secret_is_one_or_is_known_not_to_be():
    sounds = re.compile("pass|secret|token|hash|beacon|result")
    harmless = {
        "actor_token",  # a token's name
        "inputs_hash",  # of what a decision was made from
    }
    columns = {field.attname for model in replicated_models() for field in model._meta.fields}
    assert {name for name in columns if sounds.search(name)} - harmless == SECRET


def test_a_table_the_code_does_not_have_any_more_is_shown_as_it_was(browser):
    page = page_of(browser("viewer"), conflict(table_name="Gone", ours={"old_name": "x"}))
    assert "old_name" in page
    assert "The row has no page to look at now." in page


def test_the_row_is_linked_where_it_is_shown(browser, make_agent, system):
    ada = make_agent("Ada", skills={"python": 3})
    task = create_task(actor=system, description="d", agent=ada)
    skill = ada.skills.get()
    client = browser("viewer")
    for table, row, page in (
        (AGENTS, ada, f"/agents/{ada.pk}/"),
        (TASKS, task, f"/tasks/{task.pk}/"),
        (skill._meta.db_table, skill, f"/admin/agents/agentskill/{skill.pk}/change/"),
    ):
        found = conflict(table_name=table, row_key=row.pk)
        assert f'<a href="{page}">the row as it is now</a>' in page_of(client, found)
        assert client.get(page).status_code == 200


def test_a_row_is_not_linked_for_who_may_not_see_it(browser):
    hidden = conflict()
    found = conflict(table_name="SyncConflicts", row_key=hidden.pk)
    assert "The row has no page to look at now." in page_of(browser("viewer"), found)
    assert "the row as it is now" in page_of(browser("operator"), found)


def test_who_wrote_it_is_named(browser, make_agent, make_user):
    ada, user = make_agent("Ada"), make_user("payroll", "Grace")
    client = browser("viewer")
    for caller, shown in (
        (f"agent:{ada.pk}", "agent Ada"),
        (f"user:{user.pk}", "user Grace"),
        (f"user:{(gone := uuid4())}", f"user {gone}"),
        ("user:nobody", "user nobody"),
        ("command:import", "command import"),
    ):
        assert f"<bdi>{shown}</bdi>" in page_of(client, conflict(caller=caller))


@pytest.mark.parametrize("address", [f"/databases/conflicts/{uuid4()}/"])
def test_one_that_is_not_there_is_not_found(browser, address):
    assert browser("viewer").get(address).status_code == 404
    assert Client().get(address).status_code == 302


# --- dealing with it ------------------------------------------------------------------------------


def send(client, found, text):
    return client.post(address(found), {"resolution": text})


@pytest.mark.parametrize("role", ROLES)
def test_everybody_sees_it_and_who_runs_the_system_resolves_it(browser, role):
    client, found = browser(role), conflict()
    page = page_of(client, found)
    may = role in RUNS_THE_SYSTEM
    assert ("What was done about it" in page) == may
    assert ("Operators and admins mark it as resolved." in page) != may
    assert send(client, found, "Done.").status_code == (302 if may else 403)
    found.refresh_from_db()
    assert (found.resolved_at is not None) == may


def test_what_was_done_is_kept_and_shown(browser):
    client, found = browser("operator"), conflict()
    answer = send(client, found, "Asked the author: theirs is right.")
    assert answer.url == address(found)
    page = page_of(client, found)
    assert "Marked as resolved." in page
    assert "Asked the author: theirs is right." in page
    assert "Resolved by <bdi>a-operator</bdi>" in page
    assert form_of(page) == {}


def test_it_is_resolved_once(browser):
    client, found = browser("operator"), conflict()
    send(client, found, "First.")
    answer = send(client, found, "Second.")
    assert answer.status_code == 200
    assert "a-operator has resolved this already." in answer.content.decode()
    found.refresh_from_db()
    assert found.resolution == "First."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "This field is required."),
        ("a\x07b", "What was done about it contains the control character U+0007"),
        ("x" * 501, "What was done about it is 501 characters long; at most 500 are allowed."),
    ],
)
def test_a_refusal_is_said_at_the_field_and_loses_nothing(browser, text, said):
    client, found = browser("operator"), conflict()
    page = send(client, found, text).content.decode()
    assert said in page
    found.refresh_from_db()
    assert found.resolved_at is None


# --- what it costs --------------------------------------------------------------------------------


def test_pages_cost_the_same_with_three_and_with_sixty(browser, make_agent):
    ada, client, unit = make_agent("Ada"), browser("operator"), uuid4()
    row = {"agent_id": ada.pk, "title": "t"}

    def cost(count):
        while Conflict.objects.count() < count:
            found = conflict(
                Conflict.objects.count(),
                unit=unit,
                table_name=TASKS,
                base=row,
                ours=row,
                theirs=row,
            )
        return {
            "list": queries(client, "/databases/conflicts/"),
            "one": queries(client, address(found)),
        }

    few = cost(3)
    assert cost(60) == few
    # in the list: who asks, the tables there are, the rows; on a page: who asks, the conflict, whom
    # it points at, whether the row is there, the host, the unit's others
    assert few == {"list": (3, 1), "one": (6, 1)}
