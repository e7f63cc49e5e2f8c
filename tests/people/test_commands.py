import io

import pytest
from django.core.management import CommandError, call_command

from rodcorp.people.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def named(monkeypatch):
    def named(username, password):
        monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", username)
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)

    return named


@pytest.fixture
def typed(monkeypatch):
    """What is typed at the password prompts."""

    def typed(*answers):
        answer = iter(answers)
        monkeypatch.setattr("getpass.getpass", lambda prompt: next(answer))

    return typed


def run(name, *arguments, **options):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue()


def test_createsuperuser_makes_an_admin_and_says_who_did(named):
    named("rosa", "correct-horse-9")
    assert "created successfully" in run("createsuperuser", interactive=False)
    user = User.objects.get()
    assert (user.username, user.role, user.is_active) == ("rosa", "admin", True)
    assert user.check_password("correct-horse-9")
    history = user.history.get()
    assert (history.history_type, history.actor_kind, history.actor_id) == (
        "+",
        "command",
        "createsuperuser",
    )


def test_createsuperuser_refuses_a_taken_name(admin, named):
    named("Root", "correct-horse-9")
    with pytest.raises(CommandError, match="already taken"):
        run("createsuperuser", interactive=False)


def test_createsuperuser_refuses_a_weak_password_in_one_line(named):
    named("rosa", "12345")
    with pytest.raises(CommandError, match="too short"):
        run("createsuperuser", interactive=False)
    assert not User.objects.exists()


def test_changepassword_changes_it_and_says_who_did(admin, typed):
    typed("another-horse-7", "another-horse-7")
    assert "'root' is changed" in run("changepassword", "root")
    assert User.objects.get().check_password("another-horse-7")
    latest = admin.history.latest("history_date")
    assert (latest.history_type, latest.actor_kind, latest.actor_id) == (
        "~",
        "command",
        "changepassword",
    )


@pytest.mark.parametrize(
    ("username", "answers", "said"),
    [
        ("root", ("another-horse-7", "another-horse-8"), "differ"),
        ("root", ("12345", "12345"), "too short"),
        ("nobody", (), "no user 'nobody'"),
    ],
)
def test_changepassword_refuses(admin, typed, username, answers, said):
    typed(*answers)
    with pytest.raises(CommandError, match=said):
        run("changepassword", username)
    assert User.objects.get().check_password("correct-horse-9")
