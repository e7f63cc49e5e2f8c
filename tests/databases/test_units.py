import threading
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, OperationalError

from agents.models import Agent
from rodcorp.actors import Actor
from rodcorp.databases.current import current_unit
from rodcorp.databases.ids import new_id
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.stamps import data_stamp
from rodcorp.databases.units import open_unit, run_in_unit
from rodcorp.errors import Busy, InvalidInput, KeyReused
from rodcorp.kit import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(system):
    def run(fn, **options):
        options = {"actor": system, "operation": "test", **options}
        return run_in_unit(fn, **options)

    return run


def insert_agent(name="Ada"):
    agent = Agent(name=name, project="p", machine_hostname="h", machine_ip="127.0.0.1")
    return rows.insert(agent)


def test_a_unit_returns_what_its_function_returns(run):
    assert run(lambda unit: 42) == 42


def test_a_unit_that_fails_leaves_nothing(run):
    def fail(unit):
        insert_agent()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(fail, key="k")
    assert not Agent.objects.exists()
    assert not UnitMarker.objects.exists()


def test_the_same_key_runs_once_and_answers_alike(run):
    calls = []
    answers = [run(lambda unit: calls.append(1) or unit.new_id(), key="k") for _ in range(3)]
    assert len(calls) == 1
    assert len(set(answers)) == 1


def test_a_stored_row_comes_back_as_it_was_then(run):
    made = run(lambda unit: insert_agent(), key="k")
    Agent.objects.update(team="moved on")
    again = run(lambda unit: insert_agent(), key="k")
    assert (again.pk, again.team, again.last_seen) == (made.pk, None, made.last_seen)
    assert Agent.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(run):
    run(lambda unit: 1, key="k", body={"amount": 5})
    with pytest.raises(KeyReused):
        run(lambda unit: 1, key="k", body={"amount": 6})


def test_a_key_belongs_to_its_caller_and_its_operation(run):
    assert run(lambda unit: "a", key="k") == "a"
    assert run(lambda unit: "b", key="k", operation="other") == "b"
    assert run(lambda unit: "c", key="k", actor=Actor.system("else")) == "c"


@pytest.mark.parametrize("key", ["", "x" * 201, 7])
def test_a_key_that_is_no_short_text_is_refused(run, key):
    with pytest.raises(InvalidInput, match="1 to 200"):
        run(lambda unit: 1, key=key)


def test_ids_and_tokens_derive_from_the_key(run):
    def made(unit):
        return [new_id(), new_id(), unit.new_token()]

    first = run(made, key="k")
    UnitMarker.objects.all().delete()
    assert run(made, key="k") == first
    assert len(set(first)) == 3


def test_without_a_key_ids_differ(run):
    assert run(lambda unit: new_id()) != run(lambda unit: new_id())


def test_time_stands_still_in_a_unit(run):
    times = run(lambda unit: [open_unit().now, run(lambda inner: inner.now)])
    assert times[0] == times[1]


def test_a_given_time_dates_the_rows(run):
    then = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    agent = run(lambda unit: insert_agent(), now=then)
    assert agent.history.get().history_date.replace(microsecond=0) == then


def test_a_unit_inside_a_unit_joins_it(run):
    def outer(unit):
        run(lambda inner: insert_agent("A"))
        raise ValueError("outer fails")

    with pytest.raises(ValueError, match="outer fails"):
        run(outer)
    assert not Agent.objects.exists()


def test_an_inner_failure_undoes_only_the_inner_part(run):
    def fail(unit):
        insert_agent("B")
        raise ValueError("inner")

    def outer(unit):
        insert_agent("A")
        with pytest.raises(ValueError, match="inner"):
            run(fail)

    run(outer)
    assert [agent.name for agent in Agent.objects.all()] == ["A"]


def test_ids_of_joined_units_do_not_repeat(run):
    ids = run(lambda unit: [new_id(), run(lambda inner: new_id()), new_id()])
    assert len(set(ids)) == 3


def test_an_inner_key_takes_effect_once_too(run):
    calls = []
    run(lambda unit: run(lambda inner: calls.append(1), key="k"))
    run(lambda unit: run(lambda inner: calls.append(1), key="k"))
    assert len(calls) == 1


def test_a_dry_run_answers_and_leaves_nothing(run):
    agent = run(lambda unit: insert_agent(), dry_run=True, key="k")
    assert agent.name == "Ada"
    assert not Agent.objects.exists()
    assert not UnitMarker.objects.exists()


def test_a_duplicate_inside_the_function_is_not_taken_for_a_marker(run):
    run(lambda unit: insert_agent())
    with pytest.raises(IntegrityError):
        run(lambda unit: insert_agent(), key="k")


def test_writing_outside_a_unit_is_a_programming_error():
    with pytest.raises(RuntimeError, match="unit of work"):
        insert_agent()


def test_the_unit_is_closed_after_a_failure(run):
    with pytest.raises(ZeroDivisionError):
        run(lambda unit: 1 / 0)
    assert current_unit() is None


def test_a_marker_tells_operation_and_caller(run):
    run(lambda unit: 1, key="k")
    marker = UnitMarker.objects.get()
    assert (marker.operation, marker.caller) == ("test", "system:test")


@pytest.mark.django_db(transaction=True)
def test_a_commit_moves_the_stamp_and_a_failure_does_not(run):
    before = data_stamp()
    with pytest.raises(ZeroDivisionError):
        run(lambda unit: 1 / 0)
    assert data_stamp() == before
    run(lambda unit: 1)
    assert data_stamp() > before


@pytest.mark.django_db(transaction=True)
def test_callbacks_run_after_commit_and_not_after_a_failure(run):
    seen = []
    run(lambda unit: unit.after_commit(lambda: seen.append("done")))
    with pytest.raises(ZeroDivisionError):
        run(lambda unit: (unit.after_commit(lambda: seen.append("never")), 1 / 0))
    assert seen == ["done"]


@pytest.mark.django_db(transaction=True)
def test_racing_callers_with_one_key_make_one_row(run):
    answers, calls = [], []
    barrier = threading.Barrier(8)

    def race():
        from django.db import connections

        barrier.wait()
        try:
            answers.append(run(lambda unit: calls.append(1) or insert_agent().pk, key="k"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(answers) == 8
    assert len(set(answers)) == 1


LOCKED = "database is locked"


@pytest.mark.django_db(transaction=True)
class TestRunningAgain:
    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch):
        monkeypatch.setattr("rodcorp.databases.units.time.sleep", lambda seconds: None)

    def test_a_unit_that_met_a_lock_runs_again_with_the_same_ids_and_time(self, run):
        seen = []

        def work(unit):
            seen.append((unit.id, unit.now, new_id()))
            insert_agent(f"attempt-{len(seen)}")
            if len(seen) < 3:
                raise OperationalError(LOCKED)

        run(work)
        assert len(seen) == 3
        assert len(set(seen)) == 1
        assert [agent.name for agent in Agent.objects.all()] == ["attempt-3"]

    def test_it_gives_up_after_three_more_attempts(self, run):
        attempts = []

        def work(unit):
            attempts.append(1)
            raise OperationalError(LOCKED)

        with pytest.raises(Busy, match="not done") as refused:
            run(work)
        assert refused.value.http_status == 503
        assert len(attempts) == 4

    @pytest.mark.sqlite_only("an error in SQLite's words")
    def test_an_error_that_will_not_pass_is_raised_at_once(self, run):
        attempts = []

        def work(unit):
            attempts.append(1)
            raise OperationalError("no such table: Nonsense")

        with pytest.raises(OperationalError):
            run(work)
        assert len(attempts) == 1

    def test_a_keyed_unit_that_ran_again_has_one_marker(self, run):
        attempts = []

        def work(unit):
            attempts.append(1)
            if len(attempts) == 1:
                raise OperationalError(LOCKED)
            return "done"

        assert run(work, key="k") == "done"
        assert run(work, key="k") == "done"
        assert len(attempts) == 2
        assert UnitMarker.objects.count() == 1

    def test_a_service_that_ran_again_finds_its_rows_as_they_were(
        self, make_agent, system, monkeypatch
    ):
        from agents.services.registry import update_agent

        agent, failures = make_agent("Ada", team="Core"), iter([OperationalError(LOCKED)])

        def fail_once(*args, **kwargs):
            for error in failures:
                raise error

        monkeypatch.setattr("agents.services.registry._set_skills", fail_once)
        update_agent(actor=system, agent=agent, team="Edge", skills={"python": 3})
        assert Agent.objects.get().team == agent.team == "Edge"

    def test_a_service_that_failed_leaves_the_rows_it_was_given_alone(
        self, make_agent, system, monkeypatch
    ):
        from agents.services.registry import update_agent

        agent = make_agent("Ada", team="Core")
        monkeypatch.setattr("agents.services.registry._set_skills", lambda skills: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update_agent(actor=system, agent=agent, team="Edge", skills={"python": 3})
        assert agent.team == "Core"
