"""From a real server to the copy: what other programs write there, by whatever means."""

from contextlib import closing, contextmanager

import pytest
from django.conf import settings

from agents.models import Agent, AgentSkill
from rodcorp.databases.driver import NAME
from rodcorp.databases.primary import quote
from rodcorp.databases.sync.compare import compare
from rodcorp.databases.sync.feed import Feed
from rodcorp.databases.sync.rowversions import primary_source
from tests.databases.live import needs_server
from tests.sides.company import company_on_a_server

# the database is one of its own, not the suite's
pytestmark = [mark for mark in needs_server if mark.name != "django_db"]

INSERT_AGENT = (
    "INSERT INTO GlobalAgentRegistry (AgentName, ProjectID, MachineHostname, MachineIP) "
    "VALUES (?, 'p', 'host', '127.0.0.1')"
)


@pytest.fixture
def company(home_of_processes, monkeypatch, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        company_on_a_server(home_of_processes, monkeypatch) as company,
    ):
        yield company


@pytest.fixture
def feed(company):
    """Of a copy that has been filled."""
    feed = Feed(primary_source())
    feed.pull()
    return feed


@contextmanager
def plain_client(**options):
    """Another program: it knows nothing of Django, units or versions."""
    import pyodbc

    server = settings.DATABASES["mssql"]
    text = (
        f"DRIVER={{{NAME}}};SERVER={server['HOST']},{server['PORT']};DATABASE={server['NAME']};"
        f"UID={quote(server['USER'])};PWD={quote(server['PASSWORD'])};"
        f"{server['OPTIONS']['extra_params']}"
    )
    with closing(pyodbc.connect(text, timeout=10, **options)) as connection:
        yield connection


@pytest.fixture
def client(feed):
    with plain_client(autocommit=True) as client:
        yield client


def assert_same():
    found = list(compare(primary_source()))
    assert [one for one in found if one.differing or one.moving] == []


def test_a_row_that_a_plain_client_inserted_is_in_the_copy_with_the_servers_own_defaults(
    client, feed
):
    client.execute(INSERT_AGENT, "Ada")
    feed.pull()
    [there], [here] = (list(Agent.objects.using(alias).values()) for alias in ("mssql", "sqlite"))
    assert here == there
    assert here["name"] == "Ada"
    assert (here["status"], here["communication_port"]) == ("active", 8888)
    assert here["id"]
    assert here["first_registered"].utcoffset().total_seconds() == 0
    assert_same()


def test_a_row_that_a_plain_client_changed_is_changed_in_the_copy(client, feed):
    client.execute(INSERT_AGENT, "Ada")
    feed.pull()
    client.execute("UPDATE GlobalAgentRegistry SET Team = N'Ядро', LastSeen = NULL")
    feed.pull()
    ada = Agent.objects.using("sqlite").get()
    assert (ada.team, ada.last_seen) == ("Ядро", None)
    assert_same()


def test_a_row_that_a_plain_client_deleted_leaves_the_copy(client, feed):
    for name in ("Ada", "Grace"):
        client.execute(INSERT_AGENT, name)
    feed.pull()
    client.execute("DELETE FROM GlobalAgentRegistry WHERE AgentName = 'Ada'")
    feed.pull()
    assert [agent.name for agent in Agent.objects.using("sqlite")] == ["Grace"]
    assert_same()


def test_a_row_that_was_inserted_and_deleted_between_two_pulls_leaves_nothing(client, feed):
    client.execute(INSERT_AGENT, "Ada")
    client.execute("DELETE FROM GlobalAgentRegistry")
    feed.pull()
    assert not Agent.objects.using("sqlite").exists()
    assert_same()


def test_a_row_is_in_the_copy_once_it_is_committed_though_later_ones_were_there_first(client, feed):
    with plain_client(autocommit=False) as slow:
        slow.execute(INSERT_AGENT, "slow")
        client.execute(INSERT_AGENT, "fast")
        feed.pull()
        assert [agent.name for agent in Agent.objects.using("sqlite")] == ["fast"]
        slow.commit()
    feed.pull()
    assert {agent.name for agent in Agent.objects.using("sqlite")} == {"slow", "fast"}
    assert_same()


def test_rows_that_were_truncated_away_are_found_and_the_copy_is_filled_anew(client, feed):
    client.execute(INSERT_AGENT, "Ada")
    [key] = client.execute("SELECT AgentUUID FROM GlobalAgentRegistry").fetchone()
    client.execute(
        "INSERT INTO AgentSkills (SkillUUID, AgentUUID, Skill, Level) "
        "VALUES (NEWID(), ?, 'python', 3)",
        key,
    )
    feed.pull()
    assert AgentSkill.objects.using("sqlite").count() == 1
    client.execute("TRUNCATE TABLE AgentSkills")
    feed.pull()
    found = [one.table for one in compare(primary_source()) if one.differing]
    assert found == feed.differing() == ["AgentSkills"]
    feed.reseed()
    assert not AgentSkill.objects.using("sqlite").exists()
    assert_same()
