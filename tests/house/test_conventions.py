"""Rules of the house that no other tool holds."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from rodcorp.databases.primary import VARIABLES
from rodcorp.kit.jobs import discover
from rodcorp.kit.services import SERVICES

ROOT = Path(__file__).resolve().parent.parent.parent
DEPARTMENTS = ("rodcorp", "agents", "payroll", "tasks")

# Where rows may be written, and what for. Everything else calls one of these.
WRITERS = {
    "rodcorp/kit/rows.py": "the functions services write through",
    "rodcorp/databases/markers.py": "markers",
    "rodcorp/databases/hosts.py": "this host's row on the primary",
    "rodcorp/databases/sync/replay.py": "what was written on the copy",
    "rodcorp/databases/sync/conflicts.py": "what could not be brought home",
    "payroll/derived/ledger.py": "derived balances and totals",
    "payroll/derived/standings.py": "derived standings",
    "payroll/derived/ratings.py": "derived ratings",
    "payroll/services/cycles.py": "the pay cycle agents are in",
    "rodcorp/kit/jobs.py": "queue, outbox, leases",
    "agents/services/presence.py": "presence, which has no history",
    "agents/services/registry.py": "last seen at registration",
    "rodcorp/people/services.py": "last sign-in",
    "rodcorp/databases/housekeeping.py": "old markers",
    "rodcorp/operations/jobs.py": "old records of failed jobs",
    "rodcorp/operations/sample/loading.py": "the sample's presence",
    "rodcorp/operations/sample/removing.py": "derived figures of who dealt with the sample",
}

WRITING = re.compile(
    r"(?<!super\(\))(?<!form)\.(save|bulk_create|bulk_update|get_or_create|update_or_create)\(|"
    r"(objects|_base_manager)\b[^\n]*\.(create|update|delete)\("
)


def sources():
    for department in DEPARTMENTS:
        for path in sorted((ROOT / department).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_rows_are_written_in_few_places():
    writing = {name for name, text in sources() if WRITING.search(text)}
    assert writing <= set(WRITERS)


def test_the_list_of_writers_has_no_entry_too_many():
    writing = {name for name, text in sources() if WRITING.search(text)}
    assert set(WRITERS) <= writing


@pytest.mark.parametrize(
    "code",
    [
        "from django.db import transaction\nwith transaction.atomic():\n    pass\n",
        "from django.db.transaction import atomic\n\natomic()\n",
        "from django.db import transaction\n\ntransaction.on_commit(print)\n",
    ],
)
def test_the_linter_refuses_a_transaction_outside_a_unit(code):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--stdin-filename", "tasks/x.py", "-"],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "TID251" in done.stdout


def test_services_take_keywords_only_and_an_actor():
    discover()
    assert len(SERVICES) > 15
    for operation, function in SERVICES.items():
        parameters = inspect.signature(function).parameters.values()
        assert "actor" in inspect.signature(function).parameters, operation
        for parameter in parameters:
            assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD), operation


def test_services_live_in_services():
    for function in SERVICES.values():
        assert "services" in function.__module__ or "operations" in function.__module__


def settings_read():
    text = (ROOT / "rodcorp" / "settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"(\w+)"', text)) | set(VARIABLES)


def test_every_setting_is_in_the_example_and_nothing_else_is():
    example = (ROOT / ".env.example").read_text()
    listed = set(re.findall(r"^#?(\w+)=", example, re.MULTILINE))
    assert listed == settings_read()


def own_commands():
    return {
        name
        for name, app in get_commands().items()
        if app.split(".")[0] in DEPARTMENTS and name != "migrate"
    }


def test_every_command_is_in_the_documentation():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert {name for name in own_commands() if f"`{name}" not in page} == set()


def test_migrations_do_not_import_the_applications_models():
    for department in DEPARTMENTS:
        for path in (ROOT / department).rglob("migrations/0*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    assert not (node.module or "").endswith(".models") or node.module == (
                        "django.db.models"
                    )


def test_no_private_address_is_anywhere():
    private = re.compile(
        r"\b(10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(1[6-9]|2\d|3[01])\.\d+\.\d+)\b"
    )
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, done.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".txt", ".toml", ".html", ".jsonl", ".csv", ".example"}:
            assert not private.search(path.read_text()), name
