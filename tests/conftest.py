"""What all tests share: a database to write to, actors to write as, and a few agents."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.backends.base.operations import BaseDatabaseOperations

from tests.environment import HAS_SERVER, SUITE_DATABASE

ON_SQLITE = ["sqlite", "local"]
ALIASES = ["mssql", *ON_SQLITE] if HAS_SERVER else ON_SQLITE

# the reasons of tests that stay on SQLite although there is a server
_away: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    """Hashing a password takes a third of a second on purpose; tests have nothing to protect."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    BaseDatabaseOperations.execute_sql_flush = _flush_past_what_refuses
    if HAS_SERVER:
        settings.DATABASES["mssql"]["TEST"]["NAME"] = SUITE_DATABASE


def _flush_past_what_refuses(operations: Any, statements: list[str]) -> None:
    """Between tests the rows of the ledger go too."""
    from rodcorp.databases.refusals import rewriting

    connection = operations.connection
    with (
        transaction.atomic(using=connection.alias),  # noqa: TID251  no unit: there is no data
        rewriting(connection.alias),
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)


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
    if _away:
        terminalreporter.section("ON SQLITE, WITH A SERVER THERE", yellow=True)
        for reason, count in _away.most_common():
            terminalreporter.line(f"{count:4} tests: {reason}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """`django_db` means all databases there are, unless a test says otherwise."""
    for item in items:
        away = item.get_closest_marker("sqlite_only") if HAS_SERVER else None
        if away:
            # before all others, those of pytest-django among them
            item.fixturenames.insert(0, "_without_a_server")
            _away[away.args[0]] += 1
        if mark := item.get_closest_marker("django_db"):
            options = {"databases": ON_SQLITE if away else ALIASES, **mark.kwargs}
            item.add_marker(pytest.mark.django_db(**options), append=False)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from tests.databases import live

    if HAS_SERVER:
        live.make_a_host_of_old()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    from django.conf import settings

    from tests.databases import live

    # it has that name once a test that needs it has had it made
    if HAS_SERVER and settings.DATABASES["mssql"]["NAME"] == SUITE_DATABASE:
        with django_db_blocker.unblock():
            live.allow_snapshots(SUITE_DATABASE)


@pytest.fixture(scope="session")
def _plain_file(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Any:
    """The settings of an embedded file that is no copy of a SQL Server: without the journal."""
    from django.core.management import call_command
    from django.db import connections

    from tests.sides.company import aliases

    file = tmp_path_factory.mktemp("plain") / "agent_system.db"
    plain = {**connections.settings["sqlite"], "NAME": str(file)}
    with django_db_blocker.unblock(), aliases({"default": {}, "sqlite": plain}):
        call_command("migrate", database="sqlite", verbosity=0, interactive=False)
    return plain


@pytest.fixture
def _without_a_server(_plain_file: Any) -> Iterator[None]:
    """For `sqlite_only`: no SQL Server is configured, here and in the processes a test starts."""
    from django.db import connections

    from tests.sides.company import aliases

    wanted = {"default": {}, "sqlite": _plain_file, "local": connections.settings["local"]}
    # not the fixture, which would undo what a test changed after the aliases are back
    with pytest.MonkeyPatch.context() as patch, aliases(wanted):
        patch.setenv("MSSQL_HOST", "")
        yield


@pytest.fixture(autouse=True)
def _registered_host(request: pytest.FixtureRequest) -> None:
    """A flush forgets this host, and a unit inside a test's transaction cannot start over."""
    from django.utils import timezone

    from rodcorp.databases import hosts
    from rodcorp.databases.models import Host
    from rodcorp.databases.sides import has_primary

    if HAS_SERVER and request.node.get_closest_marker("django_db") and has_primary():
        with pytest.MonkeyPatch.context() as patch:
            # a browser's event loop may be running already
            patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
            hosts.register()
        Host.objects.update(journal_rows=0, reported_at=timezone.now())


@pytest.fixture
def home_of_processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """RODCORP_DATA_DIR for processes that keep a company of their own."""
    from tests.databases.live import database_for_processes

    with database_for_processes(request):
        yield tmp_path


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


@pytest.fixture
def watcher(company):
    """It has filled the copy."""
    from django.db import connections

    from rodcorp.databases.sync.watcher import Watcher
    from tests.sides.source import FileVersions

    source = FileVersions()
    source.install()
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    watcher = Watcher(source)
    watcher.step()
    return watcher
