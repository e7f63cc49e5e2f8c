"""What all tests share: a database to write to, actors to write as, and a few agents."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before settings are read: tests never touch the data of a running company.
_DATA = tempfile.TemporaryDirectory(prefix="rodcorp-test-")
os.environ.update(
    RODCORP_DATA_DIR=_DATA.name,
    RODCORP_HTTPS="0",
    RODCORP_SAMPLE_DATA="0",
)

ALIASES = ["sqlite", "local"]


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


@pytest.fixture(scope="session", autouse=True)
def _remove_data() -> Iterator[None]:
    yield
    from django.db import connections

    connections.close_all()
    _DATA.cleanup()
