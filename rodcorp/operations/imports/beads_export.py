"""Reading an export of beads, the issue tracker, into what the services take.

Both forms in use are read: a directory of issues, dependencies, labels and comments, one file
each, and one file with the last three nested in each issue. Nothing here touches the database.
What a person would have to correct is rejected with its line; what can be mended without changing
the meaning (control characters, a text longer than its column) is mended and counted.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.services.discussions import MAX_MESSAGE
from rodcorp.databases.fields import fold
from rodcorp.databases.ids import natural_id
from rodcorp.errors import InvalidInput
from rodcorp.kit import validation
from rodcorp.kit.priorities import Priority
from rodcorp.operations.imports.lines import Rejected, Track, json_lines, untracked
from tasks.models import TaskStatus
from tasks.services.creation import MAX_DESCRIPTION, NewTask

ISSUES = "issues.jsonl"

# `pinned` keeps an issue out of the queue for good, `deferred` until later; a `tombstone` is what
# a deleted issue leaves behind.
STATUSES = {
    "open": TaskStatus.PENDING,
    "hooked": TaskStatus.IN_PROGRESS,
    "in_progress": TaskStatus.IN_PROGRESS,
    "blocked": TaskStatus.BLOCKED,
    "pinned": TaskStatus.BLOCKED,
    "deferred": TaskStatus.BLOCKED,
    "closed": TaskStatus.COMPLETED,
    "tombstone": TaskStatus.CANCELLED,
}

# 0 (critical) to 4 (backlog)
PRIORITIES = (Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW, Priority.LOW)

_SECTIONS = (
    ("design", "Design"),
    ("acceptance_criteria", "Acceptance criteria"),
    ("notes", "Notes"),
)


@dataclass(slots=True)
class Issue:
    """A task to be: its agent, project and thread are found when it is written."""

    key: str
    line: int
    task: NewTask
    labels: dict[str, str]  # by their folded form
    assignee: str | None
    author: str | None

    @property
    def title(self) -> str:
        return self.task.title or self.key


@dataclass(frozen=True, slots=True)
class Link:
    issue: str
    depends_on: str
    kind: str


@dataclass(frozen=True, slots=True)
class Comment:
    id: UUID
    issue: str
    author: str | None
    text: str
    posted_at: datetime | None


@dataclass
class Export:
    """What was read. Issues and comments are in the file's order, by id."""

    issues: dict[str, Issue] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)
    comments: dict[UUID, Comment] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    removed_characters: int = 0
    clipped_texts: int = 0

    def mended(self) -> list[str]:
        """What was mended, for people; empty when nothing was."""
        said = []
        if self.removed_characters:
            said.append(f"Control characters removed from texts: {self.removed_characters}.")
        if self.clipped_texts:
            said.append(f"Texts cut to the length of their column: {self.clipped_texts}.")
        return said


def project_of(path: Path) -> str:
    """What the export is called when nobody says: its directory, or the file if that has a name
    of its own."""
    path = path.resolve()
    if path.is_file() and path.name != ISSUES:
        return path.stem
    directory = path.parent if path.is_file() else path
    return directory.parent.name if directory.name == ".beads" else directory.name


def read_export(path: Path, *, track: Track = untracked) -> Export:
    """Read the export at `path`: its directory, or its file of issues. Raises `InvalidInput` when
    there is none; a bad line is left out and listed in `rejected`."""
    issues = path / ISSUES if path.is_dir() else path
    reader = _Reader(track)
    reader.read(issues, reader.issue)
    if issues.name == ISSUES:
        for name, take in (
            ("labels.jsonl", reader.label),
            ("dependencies.jsonl", reader.link),
            ("comments.jsonl", reader.comment),
        ):
            if (beside := issues.with_name(name)).exists():
                reader.read(beside, take)
    return reader.export


class _Reader:
    """Takes rows one at a time. A method raises `InvalidInput` for a row it does not take."""

    def __init__(self, track: Track) -> None:
        self.export = Export()
        self.now = timezone.now()
        self._track = track
        self._place = ("", 0)

    def read(self, path: Path, take: Callable[[dict[str, Any]], None]) -> None:
        for number, row in json_lines(path, self.export.rejected, self._track):
            self._place = (path.name, number)
            try:
                take(row)
            except InvalidInput as error:
                self._reject(error.message)

    def issue(self, row: dict[str, Any]) -> None:
        key = validation.text(row.get("id"), "id", max_length=200)
        if known := self.export.issues.get(key):
            raise InvalidInput(f"the issue '{key}' is already on line {known.line}.")
        labels = [{"label": label} for label in _list(row, "labels")]
        links, comments = _list(row, "dependencies"), _list(row, "comments")
        self.export.issues[key] = Issue(
            key=key,
            line=self._place[1],
            task=self._task(key, row),
            labels=_type_label(row),
            assignee=_agent_name(row, "assignee"),
            author=_agent_name(row, "created_by"),
        )
        self._nested(key, "labels", labels, self.label)
        self._nested(key, "dependencies", links, self.link)
        self._nested(key, "comments", comments, self.comment)

    def label(self, row: dict[str, Any]) -> None:
        issue = self._issue_of(row)
        label = self._line(row, "label", 100)
        if not label:
            raise InvalidInput("label must not be empty.")
        issue.labels.setdefault(fold(label), label)

    def link(self, row: dict[str, Any]) -> None:
        issue = self._issue_of(row)
        target = validation.text(row.get("depends_on_id"), "depends_on_id", max_length=200)
        kind = validation.text(row.get("type") or "blocks", "type", max_length=30)
        if target == issue.key:
            raise InvalidInput(f"the issue '{target}' cannot depend on itself.")
        self.export.links[Link(issue.key, target, kind)] = None

    def comment(self, row: dict[str, Any]) -> None:
        issue = self._issue_of(row)
        author = _agent_name(row, "author")
        text = self._long(row, "text", MAX_MESSAGE)
        if not text:
            raise InvalidInput("text must not be empty.")
        said_at = self._past(row, "created_at")
        number = str(row.get("id") or _digest(author, said_at, text))
        comment_id = natural_id("beads comment", issue.key.encode(), number)
        comment = Comment(comment_id, issue.key, author, text, said_at)
        if self.export.comments.setdefault(comment_id, comment) != comment:
            raise InvalidInput(f"the issue '{issue.key}' has another comment with the id {number}.")

    def _task(self, key: str, row: dict[str, Any]) -> NewTask:
        status = STATUSES[validation.choice(row.get("status") or "open", "status", STATUSES)]
        priority = row.get("priority")
        rank = (
            2
            if priority is None
            else validation.integer(priority, "priority", minimum=0, maximum=len(PRIORITIES) - 1)
        )
        description = self._description(row)
        title = self._line(row, "title", 200)
        if not title and not description:
            raise InvalidInput("title must not be empty when there is no description either.")
        closed_at = self._past(row, "closed_at") or self._past(row, "updated_at")
        return NewTask(
            description=description or title,
            title=title or validation.clip(" ".join(description.split("\n")[0].split()), 200),
            priority=PRIORITIES[rank],
            due_date=_moment(row, "due_at"),
            supervisor_notes=self._long(row, "close_reason", MAX_DESCRIPTION) or None,
            external=("beads", key),
            status=status,
            created_at=self._past(row, "created_at"),
            started_at=self._past(row, "started_at"),
            completed_at=closed_at if status is TaskStatus.COMPLETED else None,
        )

    def _description(self, row: dict[str, Any]) -> str:
        parts = [_text(row, "description").strip()]
        for name, heading in _SECTIONS:
            if section := _text(row, name).strip():
                parts.append(f"## {heading}\n\n{section}")
        return self._mended("\n\n".join(filter(None, parts)), MAX_DESCRIPTION)

    def _long(self, row: dict[str, Any], name: str, limit: int) -> str:
        return self._mended(_text(row, name), limit)

    def _line(self, row: dict[str, Any], name: str, limit: int) -> str:
        """A text of one line, whatever line breaks it came with."""
        return self._mended(" ".join(_text(row, name).split()), limit)

    def _mended(self, text: str, limit: int) -> str:
        text, removed = validation.without_control_characters(text)
        text = unicodedata.normalize("NFC", text).strip()
        fitting = validation.clip(text, limit)
        self.export.removed_characters += removed
        self.export.clipped_texts += fitting != text
        return fitting

    def _past(self, row: dict[str, Any], name: str) -> datetime | None:
        moment = _moment(row, name)
        if moment is not None and moment > self.now:
            raise InvalidInput(f"{name} must not be in the future; it was {row[name]}.")
        return moment

    def _issue_of(self, row: dict[str, Any]) -> Issue:
        key = row.get("issue_id")
        issue = self.export.issues.get(key.strip()) if isinstance(key, str) else None
        if issue is None:
            raise InvalidInput(f"issue_id names no issue that was read; it was {key!r}.")
        return issue

    def _nested(
        self, key: str, name: str, parts: Iterable[Any], take: Callable[[dict[str, Any]], None]
    ) -> None:
        for position, part in enumerate(parts):
            try:
                if not isinstance(part, dict):
                    raise InvalidInput("it is not a JSON object.")
                take({**part, "issue_id": key})
            except InvalidInput as error:
                self._reject(f"{name}[{position}]: {error.message}")

    def _reject(self, reason: str) -> None:
        self.export.rejected.append(Rejected(*self._place, reason))


def _agent_name(row: dict[str, Any], name: str) -> str | None:
    """`mayor/` and `mayor` are one agent; an empty name is nobody's."""
    text = validation.text(row.get(name), name, max_length=100, required=False)
    return text.rstrip("/ ") or None


def _type_label(row: dict[str, Any]) -> dict[str, str]:
    kind = validation.text(row.get("issue_type"), "issue_type", max_length=90, required=False)
    label = f"type:{kind}"
    return {fold(label): label} if kind and kind != "task" else {}


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def _list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name) or []
    if not isinstance(value, list):
        raise InvalidInput(f"{name} must be a list.")
    return value


def _moment(row: dict[str, Any], name: str) -> datetime | None:
    """The time in that column; year 1, how Go writes that there is none, is none."""
    if not row.get(name):
        return None
    moment = validation.moment(row[name], name)
    return moment if moment.year > 1 else None


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be text.")
    return value
