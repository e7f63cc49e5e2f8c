import pytest

from agents.services.registry import retire_agent
from payroll.services.ledger import balance_of
from tasks.models import Task, TaskLabel
from tasks.services.work import complete_task
from tests.operations.importing import everything, run_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def load(tmp_path):
    """Write a CSV file and import it: `load("description", "Fix it")`, a line each."""

    def load(*lines, encoding="utf-8", **options):
        path = tmp_path / "tasks.csv"
        path.write_bytes("\r\n".join(lines).encode(encoding))
        return run_command("import_tasks", path, **options)

    return load


def test_every_column_is_read(load, make_agent):
    make_agent("Ada", project="apollo")
    run = load(
        "Description,AGENT,project,title,priority,due_date,reward,labels,status,"
        "completion_percentage,supervisor_notes,key",
        '"Fix it,\nsoon",ada,apollo,Fix,urgent,2026-12-01,15,api; web;,in_progress,40,Careful,T-1',
    )
    assert (run.exit_code, run.out) == (0, "Tasks: 1 new, 0 already there.\n")
    task = Task.objects.get()
    assert (task.description, task.title, task.project) == ("Fix it,\nsoon", "Fix", "apollo")
    assert (task.agent.name, task.priority, task.reward) == ("Ada", 40, 15)
    assert task.due_date.isoformat() == "2026-12-01T23:59:59+00:00"
    assert (task.status, task.completion_percentage) == ("in_progress", 40)
    assert (task.supervisor_notes, task.external_key) == ("Careful", "T-1")
    assert set(TaskLabel.objects.values_list("label", flat=True)) == {"api", "web"}


def test_an_empty_cell_is_not_given(load):
    load("description,agent,priority,due_date,reward,key", "Fix it,,,,,")
    task = Task.objects.get()
    assert (task.agent, task.priority, task.due_date, task.reward) == (None, 20, None, None)
    assert task.external_key is None


@pytest.mark.parametrize(
    ("column", "cell", "complaint"),
    [
        ("due_date", "2026-13-45", "due_date must be a date like 2026-11-23"),
        ("reward", "-5", "reward must be a whole number from 0 to 1000000000; it was '-5'."),
        ("reward", "2.5", "reward must be a whole number from 0 to 1000000000; it was '2.5'."),
        ("title", "t" * 201, "title is 201 characters long; at most 200 are allowed."),
        ("project", "p" * 101, "project is 101 characters long; at most 100 are allowed."),
        ("labels", "ok;" + "l" * 101, "labels is 101 characters long; at most 100"),
        ("key", "k" * 201, "key is 201 characters long; at most 200 are allowed."),
        ("title", "a\x07b", "title contains the control character U+0007; remove it."),
        ("supervisor_notes", "a\x00b", "contains the control character U+0000; remove it."),
        ("agent", "Nobody", "There is no agent 'Nobody'; register it first."),
        ("agent", "n" * 101, "There is no agent"),
        ("status", "done", "pending, in_progress, completed, blocked, cancelled; it was 'done'."),
        ("priority", "asap", "low (10), normal (20), high (30), urgent (40); it was 'asap'."),
        ("completion_percentage", "101", "from 0 to 100; it was '101'."),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column_and_nothing_is_written(
    load, column, cell, complaint
):
    before = everything()
    run = load(f"description,{column}", "Good,", f"Bad,{cell}")
    assert run.exit_code == 1
    assert f"line 3, {column}: " in run.err
    assert complaint in run.err
    assert everything() == before


def test_every_bad_line_is_named_by_where_it_starts(load):
    run = load(
        "description,reward,status",
        '"One\nof two lines",-1,',
        "Good,1,",
        ",5,",
        "Bad,,frozen",
    )
    assert "3 lines are wrong; nothing was imported." in run.err
    for place in ("line 2, reward: ", "line 5, description: ", "line 6, status: "):
        assert place in run.err
    assert not Task.objects.exists()


def test_a_completed_task_is_at_100_and_earns_nothing(load, make_agent):
    agent = make_agent()
    load("description,agent,status,reward", "Done,Ada,completed,50")
    assert (Task.objects.get().completion_percentage, balance_of(agent)) == (100, 0)


def test_a_completed_task_at_50_is_refused(load):
    run = load("description,status,completion_percentage", "Done,completed,50")
    assert "line 2, completion_percentage: completion_percentage of a completed" in run.err


def test_an_imported_task_pays_when_it_is_completed_here(load, make_agent, system):
    agent = make_agent()
    load("description,agent,reward", "Fix it,Ada,50")
    complete_task(actor=system, task=Task.objects.get())
    assert balance_of(agent) == 50


@pytest.mark.parametrize("key", ["", "T-1"])
def test_a_retired_agent_gets_no_open_task(load, make_agent, system, key):
    retire_agent(actor=system, agent=make_agent())
    run = load("description,agent,key", f"Fix it,Ada,{key}")
    assert "line 2, agent: The agent 'Ada' is retired." in run.err
    assert not Task.objects.exists()


def test_a_name_in_two_projects_wants_the_project(load, make_agent):
    make_agent("Ada", project="apollo")
    make_agent("Ada", project="gemini")
    run = load("description,agent,project", "One,Ada,gemini", "Two,Ada,")
    assert "line 3, agent: Several projects have an agent 'Ada'" in run.err


def test_a_file_with_keys_is_imported_once(load):
    lines = ("description,key", "One,T-1", "Two,T-2")
    load(*lines)
    before = everything()
    assert load(*lines).out == "Tasks: 0 new, 2 already there.\n"
    assert everything() == before


def test_a_row_without_a_key_is_a_new_task_each_time(load):
    for _ in range(2):
        load("description,key", "One,", "Two,T-2")
    assert Task.objects.count() == 3


def test_a_key_is_used_once_in_a_file(load):
    run = load("description,key", "One,T-1", "Two,T-1")
    assert "line 3, key: The key 'T-1' is already on line 2." in run.err


def test_a_dry_run_writes_nothing(load):
    before = everything()
    run = load("description", "Fix it", dry_run=True)
    assert "1 new" in run.out
    assert "Dry run" in run.out
    assert everything() == before


def test_a_byte_order_mark_is_no_part_of_the_first_column(load):
    assert load("description", "Café", encoding="utf-8-sig").exit_code == 0
    assert Task.objects.get().title == "Café"


def test_a_file_in_another_encoding_is_refused_with_the_line(load):
    run = load("description", "Fine", "Café", encoding="latin-1")
    assert run.exit_code == 1
    assert "tasks.csv, line 3: it is not UTF-8 text; save it as CSV in UTF-8." in run.err


def test_an_unknown_column_is_refused_with_the_known_ones(load):
    run = load("description,owner", "Fix it,Ada")
    assert "has an unknown column 'owner'; known are: description, agent, project" in run.err
    assert (run.exit_code, Task.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("title,reward", "lacks the column 'description'"),
        ("description,title,Title", "has the column 'title' twice"),
        ("", "is empty; its first line must name"),
    ],
)
def test_a_bad_header_is_refused(load, header, complaint):
    run = load(header, "")
    assert run.exit_code == 1
    assert complaint in run.err


def test_a_line_with_more_cells_than_columns_is_refused(load):
    run = load("description,title", "Fix it, soon,Fix,", "Good,")
    assert "line 2: It has 4 cells for 2 columns; put quotes around text with commas." in run.err


def test_a_quote_that_never_closes_is_refused(load):
    run = load("description", "Good", '"Bad')
    assert "line 3: it is not CSV" in run.err
    assert not Task.objects.exists()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    run = run_command("import_tasks", tmp_path / "nothing.csv")
    assert run.exit_code == 1
    assert "nothing.csv cannot be read: No such file or directory." in run.err
