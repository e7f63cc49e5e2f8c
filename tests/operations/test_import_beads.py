import json
import os
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import load_command_class
from django.utils import timezone

from agents.models import Agent, Discussion
from payroll.models import RodCoinsTransaction
from rodcorp.operations.imports.beads_export import project_of
from tasks.models import Task, TaskDependency, TaskLabel
from tasks.services.work import update_task
from tests.operations.importing import everything, run_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def gastown(repository):
    """A real export: the work of a fleet of agents on a public project."""
    directory = repository.parent / "shared/data/gastown"
    if not directory.is_dir():
        if os.environ.get("RODCORP_REQUIRE_ALL") == "1":
            pytest.fail(f"{directory} is missing, and RODCORP_REQUIRE_ALL=1 wants it")
        pytest.skip(f"NOT TESTED: the real export is not at {directory}")
    return directory


def issue(key="gt-1", **columns):
    return {
        "id": key,
        "title": f"Title of {key}",
        "description": "Do it.",
        "status": "open",
        "priority": 2,
        "issue_type": "task",
        "created_by": "mayor",
        "created_at": "2026-01-02T03:04:05Z",
        **columns,
    }


def comment(number=1, **columns):
    return {
        "id": number,
        "author": "gastown/crew/max",
        "text": f"Comment {number}",
        "created_at": f"2026-01-03T00:00:{number:02}Z",
        **columns,
    }


@pytest.fixture
def export(tmp_path):
    """Write an export and import it: `export(rows)`; bytes and text are written as they are."""

    def write(*rows, name="issues.jsonl", **options):
        lines = [
            row if isinstance(row, bytes) else json.dumps(row).encode() if row else b""
            for row in rows
        ]
        path = tmp_path / "town" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\n".join(lines) + b"\n")
        return run_command("import_beads", path, **options)

    return write


def test_every_issue_of_a_real_export_becomes_a_task(gastown):
    run = run_command("import_beads", gastown)
    assert (run.exit_code, run.err) == (0, "")
    assert "Tasks: 677 new, 0 already there." in run.out
    assert Counter(Task.objects.values_list("status", flat=True)) == {
        "completed": 643,
        "pending": 32,
        "in_progress": 1,
        "blocked": 1,
    }
    assert Counter(Task.objects.values_list("priority", flat=True)) == {
        40: 17,
        30: 121,
        20: 407,
        10: 132,
    }
    assert Task.objects.exclude(project="gastown").count() == 0


def test_what_a_real_export_says_about_an_issue_is_kept(gastown):
    run_command("import_beads", gastown)
    task = Task.objects.get(external_key="gt-00us")
    assert task.created_at.isoformat() == "2026-02-28T03:58:06+00:00"
    assert task.completed_at.isoformat() == "2026-02-28T05:33:08+00:00"
    assert task.supervisor_notes == "Garbage bead from --help flag-parsing bug"
    assert task.completion_percentage == 100
    assert Task.objects.filter(agent__name="gastown/polecats/furiosa").count() == 60
    assert Task.objects.filter(agent__isnull=True).count() == 461


def test_a_real_export_brings_its_agents_labels_dependencies_and_comments(gastown):
    run = run_command("import_beads", gastown)
    assert Agent.objects.filter(project="gastown").count() == 32
    types = TaskLabel.objects.filter(label__in=["type:bug", "type:feature", "type:agent"])
    assert types.count() == 136 + 55 + 27
    # 250 of the issues are of a type of their own
    assert TaskLabel.objects.count() == 169 + 250
    assert TaskDependency.objects.filter(depends_on__isnull=False).count() == 82
    assert TaskDependency.objects.filter(external__isnull=False).count() == 233
    assert "82 are between its issues and 233 name others" in run.out
    assert Discussion.objects.filter(agent__isnull=False).count() == 14
    assert Task.objects.filter(thread__isnull=False).count() == 6


def test_a_second_run_over_a_real_export_changes_nothing(gastown):
    run_command("import_beads", gastown)
    before = everything()
    run = run_command("import_beads", gastown)
    assert "Tasks: 0 new, 677 already there." in run.out
    assert everything() == before


def test_work_done_elsewhere_earns_nothing(export):
    export(issue(status="closed", assignee="nux", closed_at="2026-01-03T00:00:00Z"))
    assert Task.objects.get().status == "completed"
    assert Agent.objects.named("nux").total_rodcoins_earned == 0
    assert not RodCoinsTransaction.objects.exists()


def nested(keys):
    return [
        issue(
            key,
            labels=["api", "zfc"],
            dependencies=[
                {"issue_id": key, "depends_on_id": "gt-1", "type": "blocks"},
                {"issue_id": key, "depends_on_id": "gt-wisp-1", "type": "parent-child"},
            ][key == "gt-1" :],
            comments=[comment(1), comment(2)],
        )
        for key in keys
    ]


def test_the_nested_form_brings_everything_too(export):
    assert export(*nested(["gt-1", "gt-2"])).exit_code == 0
    dependencies = TaskDependency.objects.values_list(
        "task__external_key", "depends_on__external_key", "external", "kind"
    )
    assert set(dependencies) == {
        ("gt-1", None, "gt-wisp-1", "parent-child"),
        ("gt-2", "gt-1", None, "blocks"),
        ("gt-2", None, "gt-wisp-1", "parent-child"),
    }
    assert TaskLabel.objects.filter(label="zfc").count() == 2
    assert Discussion.objects.count() == 4


def test_both_forms_of_an_export_are_the_same_rows(export, tmp_path):
    rows = nested(["gt-1", "gt-2"])
    export(*rows)
    before = everything()
    parts = {"labels": [], "dependencies": [], "comments": []}
    for row in rows:
        parts["labels"] += [{"issue_id": row["id"], "label": label} for label in row.pop("labels")]
        for name in ("dependencies", "comments"):
            parts[name] += [{"issue_id": row["id"], **part} for part in row.pop(name)]
    for name, lines in parts.items():
        path = tmp_path / "town" / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run = export(*rows)
    assert (run.exit_code, everything()) == (0, before)
    assert "2 already there" in run.out


def test_the_path_may_be_the_directory_or_the_file(export, tmp_path):
    export(issue())
    assert "0 new, 1 already" in run_command("import_beads", tmp_path / "town").out


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "gt-2", "titl', "it is not JSON"),
        (b'["gt-2"]', "it is not a JSON object"),
        (b'{"id": "gt-\xe9"}', "it is not UTF-8 text"),
        (b"[" * 100_000, "it is JSON that no export has"),
    ],
)
def test_a_corrupt_line_is_named_and_the_rest_is_imported(export, line, reason):
    run = export(issue("gt-1"), b"", line, issue("gt-3"))
    assert run.exit_code == 3
    assert f"issues.jsonl, line 3: {reason}" in run.err
    assert set(Task.objects.values_list("external_key", flat=True)) == {"gt-1", "gt-3"}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (
            {"status": "frozen"},
            "status must be one of: open, hooked, in_progress, blocked, pinned, deferred, closed, "
            "tombstone; it was 'frozen'.",
        ),
        ({"priority": 5}, "priority must be a whole number from 0 to 4; it was 5."),
        ({"priority": 1.5}, "priority must be a whole number from 0 to 4; it was 1.5."),
        ({"created_at": "soon"}, "created_at must be a date like"),
        ({"created_at": 1767323045}, "created_at must be a date like"),
        ({"assignee": "n" * 101}, "assignee is 101 characters long; at most 100 are allowed."),
        ({"created_by": "na\x00me"}, "created_by contains the control character U+0000"),
        ({"id": ""}, "id must not be empty."),
        ({"id": "gt-1"}, "the issue 'gt-1' is already on line 1."),
        ({"title": " ", "description": ""}, "title must not be empty"),
        ({"title": 7}, "title must be text."),
        ({"labels": "api"}, "labels must be a list."),
    ],
)
def test_an_issue_that_cannot_be_a_task_is_rejected_with_what_is_allowed(export, columns, reason):
    run = export(issue("gt-1"), issue(**{"id": "gt-2", **columns}))
    assert run.exit_code == 3
    assert f"issues.jsonl, line 2: {reason}" in run.err
    assert Task.objects.get().external_key == "gt-1"


@pytest.mark.parametrize("column", ["created_at", "closed_at", "started_at"])
def test_what_happened_cannot_be_in_the_future(export, column):
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    run = export(issue("gt-1"), issue("gt-2", **{column: tomorrow}))
    assert f"line 2: {column} must not be in the future; it was {tomorrow}." in run.err
    assert Task.objects.count() == 1


def test_what_is_due_may_be_in_the_future(export):
    export(issue(due_at="2099-01-02T03:04:05Z"))
    assert Task.objects.get().due_date.isoformat() == "2099-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    ("beads", "ours"),
    [
        ("open", "pending"),
        ("hooked", "in_progress"),
        ("in_progress", "in_progress"),
        ("blocked", "blocked"),
        ("pinned", "blocked"),
        ("deferred", "blocked"),
        ("closed", "completed"),
        ("tombstone", "cancelled"),
    ],
)
def test_every_known_status_has_its_own_here(export, beads, ours):
    assert export(issue(status=beads)).exit_code == 0
    assert Task.objects.get().status == ours


def test_a_bad_part_of_an_issue_costs_only_itself(export):
    run = export(
        issue(
            dependencies=[{"depends_on_id": "gt-1"}, 5, {"depends_on_id": "gt-wisp-1"}],
            comments=[comment(1, text=" "), comment(2)],
        )
    )
    assert run.exit_code == 3
    assert "line 1: dependencies[0]: the issue 'gt-1' cannot depend on itself." in run.err
    assert "line 1: dependencies[1]: it is not a JSON object." in run.err
    assert "line 1: comments[0]: text must not be empty." in run.err
    assert TaskDependency.objects.get().external == "gt-wisp-1"
    assert Discussion.objects.get().message == "Comment 2"


def test_a_dependency_on_a_rejected_issue_is_kept_as_text(export):
    links = [{"depends_on_id": "gt-2", "type": "blocks"}]
    export(issue("gt-1", dependencies=links), issue("gt-2", status="frozen"))
    assert TaskDependency.objects.get().external == "gt-2"


def test_a_line_beside_that_names_no_issue_is_rejected(export, tmp_path):
    export(issue())
    (tmp_path / "town" / "labels.jsonl").write_text('{"issue_id": "gt-9", "label": "api"}')
    run = run_command("import_beads", tmp_path / "town")
    assert "labels.jsonl, line 1: issue_id names no issue that was read; it was 'gt-9'." in run.err
    assert run.exit_code == 3


def test_an_export_without_one_readable_issue_is_refused(export):
    run = export(b"garbage")
    assert run.exit_code == 1
    assert "nothing was imported" in run.err


def test_a_path_that_is_not_there_is_refused(tmp_path):
    run = run_command("import_beads", tmp_path / "nowhere")
    assert (run.exit_code, run.err) == (
        1,
        f"{tmp_path / 'nowhere'} cannot be read: No such file or directory.",
    )


def test_wrong_usage_is_told_from_failure():
    with pytest.raises(SystemExit) as stopped:
        load_command_class("rodcorp.operations", "import_beads").run_from_argv(
            ["manage.py", "import_beads"]
        )
    assert stopped.value.code == 2


def test_a_dry_run_says_what_it_would_do_and_leaves_nothing(export):
    before = everything()
    run = export(*nested(["gt-1", "gt-2"]), dry_run=True)
    assert "Tasks: 2 new" in run.out
    assert "Dry run" in run.out
    assert everything() == before


def test_control_characters_are_removed_from_texts_and_counted(export):
    run = export(issue(title="A\x00 \x1b[31mtitle", description="one\r\ntwo\x07\tthree\ud800"))
    task = Task.objects.get()
    assert (task.title, task.description) == ("A [31mtitle", "one\ntwo\tthree")
    assert "Control characters removed from texts: 4." in run.out


def test_a_text_longer_than_its_column_is_cut_and_counted(export):
    run = export(issue(title="t" * 201, description="d" * 40_001, labels=["l" * 101]))
    task = Task.objects.get()
    assert (len(task.title), task.title[-2:]) == (200, "t…")
    assert len(task.description) == 40_000
    assert "Texts cut to the length of their column: 3." in run.out


def test_a_trailing_slash_makes_no_other_agent(export):
    export(issue("gt-1", assignee="mayor/"), issue("gt-2", assignee="Mayor"))
    assert Agent.objects.get().name == "mayor"
    assert Task.objects.filter(agent__name="mayor").count() == 2


def test_an_empty_name_is_nobody(export):
    export(issue(created_by="", assignee=None))
    assert not Agent.objects.exists()


def test_a_description_has_a_titled_section_for_each_part(export):
    export(issue(design="Draw it.", acceptance_criteria="", notes="Drew it."))
    assert (
        Task.objects.get().description == "Do it.\n\n## Design\n\nDraw it.\n\n## Notes\n\nDrew it."
    )


def test_an_issue_without_any_text_is_described_by_its_title(export):
    export(issue(description=""))
    assert Task.objects.get().description == "Title of gt-1"


def test_labels_that_differ_in_case_are_one_and_the_type_is_one_more(export):
    export(issue(labels=["API", "api"], issue_type="bug"))
    labels = TaskLabel.objects.values_list("label", flat=True)
    assert set(labels) == {"API", "type:bug"}


def test_ids_that_differ_in_case_are_different_issues(export):
    links = [{"depends_on_id": "gt-toast"}]
    export(
        issue("gt-toast", title="the agent", comments=[comment(1)]),
        issue("gt-Toast", title="its bead", comments=[comment(1)], dependencies=links),
    )
    assert Task.objects.count() == Discussion.objects.count() == 2
    assert TaskDependency.objects.get().depends_on.title == "the agent"
    assert Task.objects.get(external_key="gt-Toast").title == "its bead"


def test_times_are_read_as_go_writes_them(export):
    export(
        issue(
            status="closed",
            created_at="2026-01-02T03:04:05.123456789-07:00",
            closed_at="2026-01-02T12:00:00Z",
            started_at="0001-01-01T00:00:00Z",
        )
    )
    task = Task.objects.get()
    assert task.created_at.isoformat() == "2026-01-02T10:04:05.123456+00:00"
    assert task.started_at is None


def test_comments_are_one_thread_that_the_task_points_at(export):
    export(issue(comments=[comment(2), comment(1, author="")]))
    first = Discussion.objects.get(message="Comment 1")
    assert first.thread_id == first.pk == Task.objects.get().thread
    assert Discussion.objects.in_thread(first).count() == 2
    second = Discussion.objects.get(message="Comment 2")
    assert (second.topic, second.project) == ("Title of gt-1", "town")
    assert second.participant == second.agent.name == "gastown/crew/max"
    assert second.posted_at.isoformat() == "2026-01-03T00:00:02+00:00"


def test_comments_without_an_id_are_told_apart_by_what_they_say(export):
    said = [comment(1, id=None), comment(1, id=None, text="Else"), comment(1, id=None)]
    export(issue(comments=said))
    export(issue(comments=said))
    assert set(Discussion.objects.values_list("message", flat=True)) == {"Comment 1", "Else"}


def test_a_newer_export_adds_what_is_new(export):
    export(issue("gt-1"))
    run = export(issue("gt-1", comments=[comment(1)]), issue("gt-2"))
    assert "Tasks: 1 new, 1 already there." in run.out
    assert Task.objects.get(external_key="gt-1").thread == Discussion.objects.get().pk
    export(issue("gt-1", comments=[comment(1), comment(2)]))
    assert len(set(Discussion.objects.values_list("thread", flat=True))) == 1


def test_what_was_changed_here_since_stays(export, system):
    export(issue())
    update_task(actor=system, task=Task.objects.get(), title="Ours")
    export(issue(title="Theirs"))
    assert Task.objects.get().title == "Ours"


def test_an_agent_that_is_registered_already_is_not_touched(export, make_agent):
    make_agent("mayor", project="town", team="Core", status="inactive")
    before = everything()["Agent"]
    export(issue(assignee="mayor"))
    assert everything()["Agent"] == before
    assert Task.objects.get().agent.team == "Core"


def test_the_project_is_named_after_the_directory_or_a_file_of_its_own_name(tmp_path):
    for name in ("town/issues.jsonl", "town/.beads/issues.jsonl", "town/fleet.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert project_of(tmp_path / "town") == "town"
    assert project_of(tmp_path / "town/issues.jsonl") == "town"
    assert project_of(tmp_path / "town/.beads") == "town"
    assert project_of(tmp_path / "town/.beads/issues.jsonl") == "town"
    assert project_of(tmp_path / "town/fleet.jsonl") == "fleet"


def test_the_project_may_be_given(export):
    export(issue(assignee="nux"), project="apollo")
    assert Task.objects.get().project == Agent.objects.named("nux").project == "apollo"
