import json
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from rodcorp.databases.models import OutboxMessage
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import jobs
from rodcorp.kit.models import JobLease

pytestmark = pytest.mark.django_db


@pytest.fixture
def ran(monkeypatch):
    """A job that notes its arguments, known for one test."""
    seen = []
    monkeypatch.setitem(
        jobs.JOBS, "test.note", jobs.Job("test.note", lambda **given: seen.append(given), None)
    )
    return seen


@pytest.fixture
def swept(monkeypatch):
    seen = []
    every = timedelta(minutes=5)
    monkeypatch.setitem(
        jobs.JOBS, "test.sweep", jobs.Job("test.sweep", lambda: seen.append(1), every)
    )
    return seen


def queued():
    return [(task.task["args"], task.task["func"]) for task in OrmQ.objects.order_by("id")]


def test_outside_a_unit_a_job_is_queued_at_once(ran):
    jobs.enqueue("test.note", number=7)
    assert queued() == [(("test.note", '{"number": 7}'), "rodcorp.kit.jobs.run_job")]


def test_the_worker_calls_the_job_with_its_arguments(ran):
    jobs.run_job("test.note", json.dumps({"number": 7}))
    assert ran == [{"number": 7}]


def test_an_unknown_job_is_refused_with_the_known_ones():
    with pytest.raises(LookupError, match=r"agents\.sweep_liveness"):
        jobs.enqueue("nonsense")


@pytest.mark.django_db(transaction=True)
def test_inside_a_unit_a_job_waits_for_the_commit(ran, system):
    seen_inside = []

    def work(unit):
        jobs.enqueue("test.note", number=7)
        seen_inside.append((OutboxMessage.objects.count(), OrmQ.objects.count()))

    run_in_unit(work, actor=system, operation="test")
    assert seen_inside == [(1, 0)]
    assert (OutboxMessage.objects.count(), OrmQ.objects.count()) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_unit_that_fails_enqueues_nothing(ran, system):
    with pytest.raises(ZeroDivisionError):
        run_in_unit(lambda unit: (jobs.enqueue("test.note"), 1 / 0), actor=system, operation="test")
    assert (OutboxMessage.objects.count(), OrmQ.objects.count()) == (0, 0)


def test_the_sweep_sends_what_its_writer_did_not_live_to_send(ran, system):
    run_in_unit(lambda unit: jobs.enqueue("test.note"), actor=system, operation="test")
    assert jobs.send_outbox() == 0, "too young: its writer may still be sending it"
    OutboxMessage.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert jobs.send_outbox() == 1
    assert (OutboxMessage.objects.count(), OrmQ.objects.count()) == (0, 1)


def test_the_outbox_of_another_host_is_left_alone(ran, system):
    run_in_unit(lambda unit: jobs.enqueue("test.note"), actor=system, operation="test")
    OutboxMessage.objects.update(created_at=timezone.now() - timedelta(minutes=2), host="elsewhere")
    assert jobs.send_outbox() == 0


def test_a_scheduled_job_does_not_overlap_itself(swept):
    JobLease.objects.create(
        name="test.sweep", token="other", until=timezone.now() + timedelta(minutes=1)
    )
    jobs.run_job("test.sweep", "{}")
    assert swept == []


def test_a_lease_left_by_a_dead_worker_is_taken_over_when_it_ends(swept):
    JobLease.objects.create(
        name="test.sweep", token="dead", until=timezone.now() - timedelta(seconds=1)
    )
    jobs.run_job("test.sweep", "{}")
    assert swept == [1]
    assert not JobLease.objects.exists()


def test_schedules_follow_the_declared_jobs(swept):
    Schedule.objects.create(name="gone", func="rodcorp.kit.jobs.run_job")
    jobs.install_schedules()
    jobs.install_schedules()
    minutes = dict(Schedule.objects.values_list("name", "minutes"))
    assert minutes["agents.sweep_liveness"] == 1
    assert minutes["test.sweep"] == 5
    assert "gone" not in minutes
    assert Schedule.objects.count() == len(minutes)


def test_a_message_carries_the_id_of_its_unit(ran, system):
    def work(unit):
        jobs.enqueue("test.note")
        return unit.id, OutboxMessage.objects.get().unit

    ours, told = run_in_unit(work, actor=system, operation="test")
    assert ours == told
