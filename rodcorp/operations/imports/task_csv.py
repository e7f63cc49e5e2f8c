"""Importing tasks from a CSV file: all of them or, when any line is wrong, none."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from agents.models import Agent, AgentStatus
from rodcorp.actors import Actor
from rodcorp.errors import Conflict, InvalidInput, RodCorpError
from rodcorp.kit import rows, validation
from rodcorp.operations.imports.lines import Track, read_bytes, untracked
from tasks.models import OPEN_STATUSES, Task
from tasks.services.creation import NewTask, check_new_task, create_tasks, external_task_id

COLUMNS = (
    "description",
    "agent",
    "project",
    "title",
    "priority",
    "due_date",
    "reward",
    "labels",
    "status",
    "completion_percentage",
    "supervisor_notes",
    "key",
)

# a service's name for what a column here calls otherwise
_COLUMN_OF = {"agent_name": "agent"}


@dataclass(frozen=True, slots=True)
class WrittenTasks:
    new: int
    known: int


def read_tasks(path: Path, *, track: Track = untracked) -> list[NewTask]:
    """The tasks in the file, checked. Raises `InvalidInput` that names every wrong line."""
    text = _decoded(path)
    records = _records(text, path)
    _, header = next(records, (1, []))
    reader = _Reader(_columns(header, path))
    wrong: list[str] = []
    tasks: list[NewTask] = []
    for line, cells in track(records, total=text.count("\n"), label=path.name):
        try:
            tasks.append(reader.task(line, cells))
        except RodCorpError as error:
            field = _COLUMN_OF.get(error.field or "", error.field)
            where = f"line {line}, {field}" if field else f"line {line}"
            wrong.append(f"{where}: {error.message}")
    if wrong:
        count = "1 line is" if len(wrong) == 1 else f"{len(wrong)} lines are"
        raise InvalidInput(f"{path}: {count} wrong; nothing was imported.\n" + "\n".join(wrong))
    return tasks


def write_tasks(*, actor: Actor, tasks: list[NewTask]) -> WrittenTasks:
    """Write those whose key is not there yet. It runs in the caller's unit of work."""
    keyed = [_id(task) for task in tasks if task.external]
    known: set[UUID] = set()
    for start in range(0, len(keyed), rows.BATCH):
        part = Task.objects.filter(pk__in=keyed[start : start + rows.BATCH])
        known.update(part.values_list("pk", flat=True))
    new = [task for task in tasks if not task.external or _id(task) not in known]
    create_tasks(actor=actor, tasks=new)
    return WrittenTasks(new=len(new), known=len(tasks) - len(new))


class _Reader:
    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._agents: dict[tuple[str, str | None], Agent] = {}
        self._lines_by_key: dict[str, int] = {}

    def task(self, line: int, cells: list[str]) -> NewTask:
        """The task a line stands for; an empty cell is one that is not given."""
        if len(cells) > len(self._columns):
            raise InvalidInput(
                f"It has {len(cells)} cells for {len(self._columns)} columns; put quotes around "
                "text with commas."
            )
        named = zip(self._columns, cells, strict=False)
        given: dict[str, Any] = {name: cell for name, cell in named if cell.strip()}
        key, agent = given.pop("key", None), given.pop("agent", None)
        if agent is not None:
            given["agent"] = self._agent(agent.strip(), given.get("project"))
        if key is not None:
            given["external"] = ("csv", self._key(key, line))
        labels = given.pop("labels", "").split(";")
        given["labels"] = [label.strip() for label in labels if label.strip()]
        new = NewTask(**{"description": "", **given})
        check_new_task(new)
        if new.agent and new.agent.status == AgentStatus.RETIRED and _is_open(new):
            raise Conflict(f"The agent '{new.agent.name}' is retired.", field="agent")
        return new

    def _agent(self, name: str, project: str | None) -> Agent:
        wanted = (name, project)
        if wanted not in self._agents:
            self._agents[wanted] = Agent.objects.named(name, project=project)
        return self._agents[wanted]

    def _key(self, given: str, line: int) -> str:
        key = validation.text(given, "key", max_length=200)
        earlier = self._lines_by_key.setdefault(key, line)
        if earlier != line:
            raise InvalidInput(f"The key '{key}' is already on line {earlier}.", field="key")
        return key


def _is_open(new: NewTask) -> bool:
    return new.status.strip().lower() in OPEN_STATUSES


def _id(new: NewTask) -> UUID:
    assert new.external
    return external_task_id(*new.external)


def _decoded(path: Path) -> str:
    data = read_bytes(path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{path}, line {line}: it is not UTF-8 text; save it as CSV in UTF-8.", field="path"
        ) from error


def _records(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each record's first line and its cells. Empty ones are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if any(cell.strip() for cell in cells):
                yield first, cells
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {line}: it is not CSV ({error}).") from error


def _columns(header: list[str], path: Path) -> list[str]:
    names = [name.strip().lower() for name in header]
    known = ", ".join(COLUMNS)
    if not names:
        raise InvalidInput(f"{path} is empty; its first line must name columns of: {known}.")
    for name in names:
        if name not in COLUMNS:
            raise InvalidInput(f"{path} has an unknown column '{name}'; known are: {known}.")
        if names.count(name) > 1:
            raise InvalidInput(f"{path} has the column '{name}' twice.")
    if "description" not in names:
        raise InvalidInput(f"{path} lacks the column 'description'; known are: {known}.")
    return names
