import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from payroll.models import RodCoinsTransaction
from rodcorp.gateway.models import AccessToken
from rodcorp.kit.cells import plain_cell, safe_cell
from rodcorp.people.models import User
from tests.kit.everything import SEES, fill, url


def rows_of(response):
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv"
    assert response.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


@pytest.mark.django_db
def test_the_export_has_what_the_list_shows_filtered_searched_and_sorted(browser, system):
    fill(system, 0, 12)
    client = browser("viewer")
    shown = {"q": "0", "o": "-1", "status": "active"}
    exported = rows_of(client.get(url(Agent, "export/"), shown))
    listed = client.get(url(Agent), shown).context["cl"].result_list
    assert [row["name"] for row in exported] == [agent.name for agent in listed]
    assert len(exported) == 11
    assert (exported[0]["name"], exported[0]["skills"]) == ("Agent 09", "python 10")
    assert exported[0]["liveness"] == "up"


@pytest.mark.django_db
def test_a_list_links_its_own_export(browser, system):
    fill(system)
    page = browser("viewer").get(url(Agent), {"status": "active"}).text
    assert f'href="{url(Agent, "export/")}?status=active"' in page


@pytest.mark.django_db
def test_an_export_is_longer_than_a_page(browser, system):
    fill(system, 0, 60)
    assert len(rows_of(browser("viewer").get(url(RodCoinsTransaction, "export/")))) == 60


@pytest.mark.django_db
def test_every_column_of_every_list_is_exported(browser, system):
    fill(system)
    client = browser()
    for model in SEES:
        (first, *_) = rows_of(client.get(url(model, "export/")))
        shown = client.get(url(model)).context["cl"].list_display
        assert {name.removeprefix("shown_") for name in shown} - {"action_checkbox"} <= set(first)
        assert not {"password", "secret_hash", "result", "payload", "token"} & set(first)


@pytest.mark.django_db
def test_no_hash_of_a_password_or_a_token_leaves(browser, system):
    fill(system)
    client = browser()
    for model, secret in (
        (User, User.objects.first().password),
        (AccessToken, AccessToken.objects.get().secret_hash),
    ):
        assert secret not in client.get(url(model, "export/")).content.decode()


@pytest.mark.django_db
def test_a_formula_is_exported_as_text(browser, make_agent):
    make_agent(team='=HYPERLINK("http://example.org")', role="-2+3", seniority="-5")
    (row,) = rows_of(browser("viewer").get(url(Agent, "export/")))
    assert row["team"] == """'=HYPERLINK("http://example.org")"""
    assert row["role"] == "'-2+3"
    assert row["seniority"] == "-5"


@given(st.text(alphabet="'=+-@\t1.x ") | st.text())
def test_a_cell_is_no_formula_and_is_read_back_as_it_was(text):
    cell = safe_cell(text)
    assert plain_cell(cell) == text
    assert cell[:1] not in ("=", "@", "\t", "\r", "\n")
    if cell[:1] in ("+", "-"):
        assert float(cell) == float(text)
