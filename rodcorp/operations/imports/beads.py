"""Writing a beads export as tasks, agents and discussions, in one unit of work.

What is already there stays as it is: a second run writes nothing, and a newer export adds its new
issues, dependencies and comments.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from agents.models import Agent, Discussion
from agents.services.discussions import NewMessage, post_messages
from agents.services.registry import NewAgent, register_agents
from rodcorp.actors import Actor
from rodcorp.databases.fields import fold
from rodcorp.kit import rows, validation
from rodcorp.operations.imports.beads_export import Comment, Export, Issue
from rodcorp.operations.imports.lines import Track, untracked
from tasks.models import Task
from tasks.services.creation import (
    NewDependency,
    NewTask,
    add_dependencies,
    create_tasks,
    external_task_id,
)
from tasks.services.work import update_task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows are new, and how many the file has."""

    tasks: int
    tasks_known: int
    agents: int
    labels: int
    dependencies: int
    inside: int
    outside: int
    comments: int
    comments_known: int

    def lines(self) -> list[str]:
        return [
            f"Tasks: {self.tasks} new, {self.tasks_known} already there.",
            f"Agents: {self.agents} new.",
            f"Labels: {self.labels} new.",
            f"Dependencies: {self.dependencies} new; of those in the export {self.inside} are "
            f"between its issues and {self.outside} name others, kept as text.",
            f"Comments: {self.comments} new, {self.comments_known} already there.",
        ]


def write_export(
    *, actor: Actor, export: Export, project: str, track: Track = untracked
) -> Imported:
    """Write what is not there yet. It runs in the caller's unit of work."""
    return _Writer(actor, export, project, track).write()


class _Writer:
    def __init__(self, actor: Actor, export: Export, project: str, track: Track) -> None:
        self.actor = actor
        self.export = export
        self.project = validation.text(project, "project", max_length=100)
        self.track = track
        self.ids = {key: external_task_id("beads", key) for key in export.issues}
        self.agents: dict[str, Agent] = {}

    def write(self) -> Imported:
        known = _threads(list(self.ids.values()))
        said = _present(list(self.export.comments))
        new_comments = sorted(
            (new for new in self.export.comments.values() if new.id not in said), key=_age
        )
        threads = self._threads_of(new_comments, known)
        new_issues = [
            issue for key, issue in self.export.issues.items() if self.ids[key] not in known
        ]
        new_agents = self._register_agents()
        tasks = [self._new_task(issue, threads.get(issue.key)) for issue in new_issues]
        for some_tasks in self._parts(tasks, "tasks"):
            create_tasks(actor=self.actor, tasks=some_tasks)
        for some_messages in self._parts(self._messages(new_comments, threads), "comments"):
            post_messages(actor=self.actor, messages=some_messages)
        self._point_at_threads(threads, known)
        dependencies = self._dependencies()
        inside = sum(new.depends_on is not None for new in dependencies)
        return Imported(
            tasks=len(new_issues),
            tasks_known=len(self.export.issues) - len(new_issues),
            agents=new_agents,
            labels=sum(len(issue.labels) for issue in new_issues),
            dependencies=add_dependencies(actor=self.actor, dependencies=dependencies),
            inside=inside,
            outside=len(dependencies) - inside,
            comments=len(new_comments),
            comments_known=len(self.export.comments) - len(new_comments),
        )

    def _register_agents(self) -> int:
        """Those who are not registered yet. One who is did not just give a sign of life."""
        issues, comments = self.export.issues.values(), self.export.comments.values()
        names = [name for issue in issues for name in (issue.assignee, issue.author)]
        names += [comment.author for comment in comments]
        wanted = {fold(name): name for name in reversed(names) if name}
        for agent in Agent.objects.filter(project=self.project):
            self.agents[fold(agent.name)] = agent
        new = [name for folded, name in wanted.items() if folded not in self.agents]
        made = register_agents(
            actor=self.actor, agents=[NewAgent(name, self.project) for name in new]
        )
        self.agents |= {fold(agent.name): agent for agent in made}
        return len(made)

    def _agent(self, name: str | None) -> Agent | None:
        return self.agents[fold(name)] if name else None

    def _new_task(self, issue: Issue, thread: UUID | None) -> NewTask:
        return replace(
            issue.task,
            agent=self._agent(issue.assignee),
            project=self.project,
            labels=list(issue.labels.values()),
            thread=thread,
        )

    def _threads_of(
        self, new_comments: Sequence[Comment], known: dict[UUID, UUID | None]
    ) -> dict[str, UUID]:
        """The thread of each issue somebody commented: the task's, or its first comment's."""
        threads: dict[str, UUID] = {}
        for comment in new_comments:
            thread = known.get(self.ids[comment.issue]) or comment.id
            threads.setdefault(comment.issue, thread)
        return threads

    def _messages(self, comments: Sequence[Comment], threads: dict[str, UUID]) -> list[NewMessage]:
        return [
            NewMessage(
                topic=self.export.issues[comment.issue].title,
                message=comment.text,
                agent=self._agent(comment.author),
                project=self.project,
                id=comment.id,
                thread=threads[comment.issue],
                posted_at=comment.posted_at,
            )
            for comment in comments
        ]

    def _point_at_threads(self, threads: dict[str, UUID], known: dict[UUID, UUID | None]) -> None:
        """Tasks that were there before anybody commented."""
        for key, thread in threads.items():
            if known.get(self.ids[key], thread) is None:
                task = Task.objects.with_id(self.ids[key])
                update_task(actor=self.actor, task=task, thread=thread)

    def _dependencies(self) -> list[NewDependency]:
        return [
            NewDependency(
                task=self.ids[link.issue],
                depends_on=self.ids.get(link.depends_on),
                external=link.depends_on,
                kind=link.kind,
            )
            for link in self.export.links
        ]

    def _parts(self, items: Sequence[T], label: str) -> Iterable[Sequence[T]]:
        starts = range(0, len(items), rows.BATCH)
        parts: Iterator[Sequence[T]] = (items[start : start + rows.BATCH] for start in starts)
        return self.track(parts, total=len(starts), label=label)


def _age(comment: Comment) -> datetime:
    """Oldest first; one without a time is posted now."""
    return comment.posted_at or datetime.max.replace(tzinfo=UTC)


def _threads(tasks: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """The thread of each of those tasks that is there."""
    known: dict[UUID, UUID | None] = {}
    for start in range(0, len(tasks), rows.BATCH):
        part = Task.objects.filter(pk__in=tasks[start : start + rows.BATCH])
        known.update(part.values_list("pk", "thread"))
    return known


def _present(messages: Sequence[UUID]) -> set[UUID]:
    known: set[UUID] = set()
    for start in range(0, len(messages), rows.BATCH):
        part = Discussion.objects.filter(pk__in=messages[start : start + rows.BATCH])
        known.update(part.values_list("pk", flat=True))
    return known
