"""Pages while the primary comes and goes."""

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.template import engines
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.urls import path

from agents.models import Agent, Discussion
from agents.services.registry import register_agent
from agents.web.views import AgentList
from rodcorp.actors import Actor
from rodcorp.databases import middleware
from rodcorp.databases.journal import as_feed
from rodcorp.databases.middleware import DatabaseMiddleware
from rodcorp.databases.models import UnitMarker


def write_and_stay(request):
    register_agent(
        actor=Actor.system("test"), name="Ada", machine_hostname="h", machine_ip="127.0.0.1"
    )
    template = engines["django"].from_string(
        "{% for agent in team %}{{ agent }}{% empty %}Nobody is in it.{% endfor %}"
    )
    return TemplateResponse(request, template, {"team": Agent.objects.filter(team="Nobody's")})


urlpatterns = [path("write-and-stay/", write_and_stay)]


@pytest.fixture
def client(company, make_user):
    """Somebody who is signed in, on either side."""
    client = Client()
    user = make_user("admin")
    client.force_login(user)
    _carry_over("PeopleUsers")
    return client


@pytest.fixture
def ada(company, make_agent):
    agent = make_agent("Ada")
    _carry_over("GlobalAgentRegistry")
    return agent


def _carry_over(table):
    """What the feed will do."""
    copy = connections["sqlite"]
    with connections["mssql"].cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')
        rows = cursor.fetchall()
    with as_feed(), copy.cursor() as cursor:
        for row in rows:
            places = ", ".join(["%s"] * len(row))
            cursor.execute(f'INSERT INTO "{table}" VALUES ({places})', row)


def posted(client, ada, message="Hello"):
    form = {"agent": ada.pk, "topic": "Talk", "message": message, "priority": "20", "key": "form"}
    return client.post("/discussions/new/", form)


def test_a_page_is_read_again_on_the_copy_when_the_link_breaks_in_the_middle(company, client, ada):
    company.link.fail("execute", "reset", matching="GlobalAgentRegistry", cuts=True)
    answer = client.get("/agents/")
    assert answer.status_code == 200
    assert "Ada" in answer.content.decode()
    assert company.mode == "fallback"


def test_a_page_whose_user_cannot_be_read_is_read_again(company, client, ada):
    company.link.fail("execute", "reset", matching="PeopleUsers", cuts=True)
    assert client.get("/agents/").status_code == 200


def test_a_page_is_read_again_where_it_was_after_one_broken_connection(company, client, ada):
    company.link.fail("execute", "reset", matching="GlobalAgentRegistry")
    assert client.get("/agents/").status_code == 200
    assert company.mode == "primary"


def test_all_of_a_page_is_read_on_one_side(company, client, ada):
    company.link.cut()
    with connections["mssql"].execute_wrapper(_refuse):
        assert client.get("/agents/").status_code == 200


def _refuse(execute, sql, *args):
    raise AssertionError(f"the primary was asked: {sql}")


def test_a_form_is_written_on_the_copy_when_the_link_breaks_in_the_middle(company, client, ada):
    company.link.fail("execute", "reset", matching='INSERT INTO "AgentDiscussions"', cuts=True)
    answer = posted(client, ada)
    assert answer.status_code == 302
    assert company.where(Discussion) == (0, 1)


def test_a_form_that_ran_twice_says_once_that_it_was_saved(company, client, ada):
    company.link.fail("commit_before", "reset")
    answer = posted(client, ada)
    assert len(list(get_messages(answer.wsgi_request))) == 1
    assert company.where(Discussion) == (1, 0)


def test_a_form_whose_commit_nobody_can_ask_about_is_saved_once_on_either_side(
    company, client, ada
):
    company.link.fail("commit_after", "reset", cuts=True)
    assert posted(client, ada).status_code == 302
    assert company.where(Discussion) == (1, 1)
    with company.link.open_for_a_look():
        keys = [Discussion.objects.using(alias).get().pk for alias in ("mssql", "sqlite")]
    assert keys[0] == keys[1]


def test_a_form_that_changes_nothing_leaves_no_marker(company, client, ada):
    before = company.where(UnitMarker)
    assert posted(client, ada, message="").status_code == 200
    assert company.where(UnitMarker) == before


@pytest.mark.urls(__name__)
def test_a_page_that_breaks_after_its_form_was_saved_is_rendered_again_and_nothing_else(
    company, client
):
    company.link.fail("execute", "reset", matching='"Team" =', cuts=True)
    answer = client.post("/write-and-stay/")
    assert answer.status_code == 200
    assert answer.content == b"Nobody is in it."
    assert company.where(Agent) == (1, 0)
    assert company.mode == "fallback"


def test_without_a_copy_that_may_stand_in_the_page_says_when_to_come_back(company, client, ada):
    connections["sqlite"].cursor().execute("UPDATE rodcorp_copy SET complete_at = NULL")
    company.link.cut()
    for answer in (client.get("/agents/"), posted(client, ada)):
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert "never filled completely" in answer.content.decode()


def test_somebody_can_sign_in_while_the_primary_is_lost(company, client, make_user):
    company.link.cut()
    answer = Client().post(
        "/admin/login/?next=/agents/", {"username": "a-admin", "password": "correct-horse-9"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/agents/")
    assert [entry.unit for entry in company.journal()] == ["presence"]


def test_a_page_with_an_error_of_its_own_is_not_read_twice(company, client, ada, monkeypatch):
    asked = []

    def broken(self, *args):
        asked.append(1)
        raise ValueError("a bug")

    monkeypatch.setattr(AgentList, "get_table_data", broken)
    with pytest.raises(ValueError, match="a bug"):
        client.get("/agents/")
    assert len(asked) == 1


def test_an_upload_is_read_before_the_unit_begins(company, admin, monkeypatch):
    """The copy has one write lock, and a caller may be slow."""
    request = RequestFactory().post("/", {"file": SimpleUploadedFile("a.csv", b"x")})
    request.user = admin
    seen = []

    def begin(work, **options):
        seen.append("_files" in vars(request))

    monkeypatch.setattr(middleware, "run_in_unit", begin)
    DatabaseMiddleware(lambda request: None).process_view(request, lambda request: None, (), {})
    assert seen == [True]
