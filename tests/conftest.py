"""What all tests share: a database to write to, actors to write as, and a few agents."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALIASES = ["sqlite", "local"]


def pytest_configure(config: pytest.Config) -> None:
    """Hashing a password takes a third of a second on purpose; tests have nothing to protect."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly, and once each, what could not be tested here."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        reasons[str(reason).removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("NOT TESTED HERE", yellow=True)
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:4} tests: {reason.removeprefix('NOT TESTED: ')}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`django_db` means both files, unless a test says otherwise."""
    for item in items:
        for mark in item.iter_markers("django_db"):
            mark.kwargs.setdefault("databases", ALIASES)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def system() -> Any:
    from rodcorp.actors import Actor

    return Actor.system("test")


@pytest.fixture
def make_agent(system: Any) -> Callable[..., Any]:
    """Register an agent through the service: `make_agent("Ada", team="Core")`."""
    from agents.services.registry import register_agent

    def make(name: str = "Ada", **details: Any) -> Any:
        details = {"machine_hostname": "host-1", "machine_ip": "127.0.0.1", **details}
        return register_agent(actor=system, name=name, **details)

    return make


@pytest.fixture
def admin(system: Any) -> Any:
    from rodcorp.people.services import create_user

    return create_user(actor=system, username="root", password="correct-horse-9", role="admin")


@pytest.fixture
def make_user(system: Any) -> Callable[..., Any]:
    """A user of a role, who signs in with the password `correct-horse-9`."""
    from rodcorp.people.services import create_user

    def make(role: str = "viewer", username: str = "", **details: Any) -> Any:
        details.setdefault("password", "correct-horse-9")
        return create_user(actor=system, username=username or f"a-{role}", role=role, **details)

    return make


@pytest.fixture
def browser(make_user: Callable[..., Any]) -> Callable[..., Any]:
    """A test client somebody of that role is signed in with: `browser("viewer")`."""
    from django.test import Client

    def browse(role: str = "admin") -> Any:
        client = Client()
        client.force_login(make_user(role))
        return client

    return browse


@pytest.fixture
def company(tmp_path, monkeypatch, django_db_blocker):
    """A company on two SQLite files; the copy is complete and may stand in."""
    from django.db import connections

    from rodcorp.databases import eligibility, failover, hosts
    from tests.sides.company import company_on_two_sides

    with django_db_blocker.unblock(), company_on_two_sides(tmp_path, monkeypatch) as made:
        monkeypatch.setattr(failover, "FRESH_S", 0.0)
        hosts.register()
        eligibility.note_complete(connections["sqlite"])
        connections["mssql"].close()
        yield made


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    """A test's rollback is no commit, so it would leave figures of its own behind."""
    from django.core.cache import cache

    cache.clear()
