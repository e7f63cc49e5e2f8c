import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_page_that_is_not_there_says_so(browser):
    answer = browser("viewer").get("/nowhere/")
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()


def test_a_page_a_role_may_not_open_says_so(browser):
    answer = browser("viewer").get("/agents/new/")
    assert answer.status_code == 403
    assert "Not for your role" in answer.content.decode()


def test_a_fault_shows_no_detail(make_user, monkeypatch):
    client = Client(raise_request_exception=False)
    client.force_login(make_user("viewer"))
    monkeypatch.setattr("rodcorp.console.home._figures", lambda: 1 / 0)
    answer = client.get("/")
    assert answer.status_code == 500
    page = answer.content.decode()
    assert "Something went wrong" in page
    assert "ZeroDivisionError" not in page
