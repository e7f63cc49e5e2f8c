import pytest
from axes.models import AccessAttempt
from django.core.management import call_command
from django.db import router
from django.test import Client

from rodcorp.people.models import User
from rodcorp.people.services import update_user

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def sign_in(username, password, address="127.0.0.1"):
    return Client(REMOTE_ADDR=address).post(LOGIN, {"username": username, "password": password})


def guess(username, times=5, address="127.0.0.1"):
    for _ in range(times):
        response = sign_in(username, "wrong", address)
    return response


def test_the_right_password_signs_in(admin):
    response = sign_in("root", "correct-horse-9")
    assert (response.status_code, response.url) == (302, "/")


def test_anybody_else_is_sent_to_the_login_page():
    response = Client().get("/admin/agents/agent/")
    assert (response.status_code, response.url) == (302, f"{LOGIN}?next=/admin/agents/agent/")


def test_signing_in_is_noted_without_a_history_row(admin):
    before = admin.history.count()
    sign_in("root", "correct-horse-9")
    assert User.objects.get().last_login is not None
    assert admin.history.count() == before


def test_somebody_inactive_cannot_sign_in(make_user, system):
    user = make_user("viewer")
    update_user(actor=system, user=user, is_active=False)
    assert sign_in(user.username, "correct-horse-9").status_code == 200


def test_a_session_ends_when_its_owner_is_deactivated(make_user, system):
    user = make_user("viewer")
    client = Client()
    client.force_login(user)
    update_user(actor=system, user=user, is_active=False)
    assert client.get("/admin/").status_code == 302


def test_four_wrong_passwords_lock_nobody_out(admin):
    assert guess("root", 4).status_code == 200
    assert sign_in("root", "correct-horse-9").status_code == 302


def test_after_five_the_right_password_is_refused_too(admin):
    assert guess("root").status_code == 429
    response = sign_in("root", "correct-horse-9")
    assert response.status_code == 429
    assert "_auth_user_id" not in response.client.session
    assert response["Retry-After"] == "900"
    assert "locked for 15 minutes" in response.text


def test_the_lockout_is_for_that_name(admin, make_user):
    other = make_user("viewer")
    guess("root")
    assert sign_in(other.username, "correct-horse-9").status_code == 302


def test_the_lockout_is_for_that_address(admin):
    guess("root", address="192.0.2.9")
    assert sign_in("root", "correct-horse-9", address="192.0.2.8").status_code == 302


def test_spelling_the_name_otherwise_gives_no_further_guesses(admin):
    for username in ("root", "Root", "ROOT", "rOOT", "root "):
        guess(username, 1)
    assert sign_in("root", "correct-horse-9").status_code == 429


def test_signing_in_forgets_earlier_mistakes(admin):
    guess("root", 4)
    sign_in("root", "correct-horse-9")
    assert guess("root", 4).status_code == 200


def test_an_operator_can_lift_a_lockout(admin):
    guess("root")
    call_command("axes_reset_username", "root", verbosity=0)
    assert sign_in("root", "correct-horse-9").status_code == 302


def test_failures_are_kept_on_this_host(admin):
    guess("root", 1)
    assert router.db_for_write(AccessAttempt) == "local"
    assert AccessAttempt.objects.using("local").get().username == "root"
