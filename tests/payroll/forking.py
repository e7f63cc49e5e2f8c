"""`python -m tests.payroll.forking killed|race`: payroll runs in processes forked from this one, on
the embedded file in RODCORP_DATA_DIR, which is filled first. Prints JSON lines.

`killed`: each step of a run is made by one process after another, the first killed before its first
statement, the second before its second, until one comes to its end.
`race`: processes that have read the same approved cycle post it at the same moment.
"""

import hashlib
import json
import os
import signal
import sys
import traceback

WORKERS = 8
DONE, FAILED, REFUSED = 0, 1, 3


def main(what: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "rodcorp.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    _fill()
    _close()
    {"killed": _killed, "race": _race}[what]()


def _fill() -> None:
    """Four agents: one owes, one has a scale only, one nothing but awards."""
    from payroll.services.salaries import add_bonus_rule, set_pay_scale
    from rodcorp.people.services import create_user
    from tests.payroll.paying import LONG_AGO, SYSTEM, award, draft, owing, salary

    ada, bo, _, dan = (_agent(name) for name in ("Ada", "Bo", "Cy", "Dan"))
    create_user(actor=SYSTEM, username="bob", password=None, role="payroll")
    set_pay_scale(actor=SYSTEM, level="mid", base_salary=70, seniority_multiplier="1.25")
    salary(ada, 100, "1.50", "1.10", bonus=5)
    salary(dan, 40)
    add_bonus_rule(actor=SYSTEM, kind="per_task", label="Tasks", amount=3, effective_from=LONG_AGO)
    owing(dan, 25)
    award(bo, 9)
    draft()


def _agent(name):
    from agents.services.registry import register_agent
    from tests.payroll.paying import SYSTEM

    return register_agent(
        actor=SYSTEM,
        name=name,
        project="p",
        machine_hostname="h",
        machine_ip="127.0.0.1",
        seniority="mid" if name == "Cy" else None,
    )


def _killed() -> None:
    from payroll.models import PayCycle
    from tests.payroll.paying import assert_paid_once

    for step in (
        ["run_payroll", "--step", "compute"],
        ["run_payroll", "--step", "approve", "--as", "bob"],
        ["run_payroll", "--step", "post"],
        ["close_cycle"],
    ):
        at, ended = 0, None
        while ended in (None, -signal.SIGKILL):
            before = _everything()
            ended = _in_a_process(lambda step=step, at=at: _command(step, at))
            now = _everything()
            cycle = PayCycle.objects.get(number=1)
            _say(step=step[-1], at=at, ended=ended, changed=now != before, state=cycle.state)
            at += 1
    assert_paid_once(PayCycle.objects.get(number=1))


def _command(command: list[str], at: int) -> int:
    """Make a step; the process is killed before its statement or commit number `at`, or after the
    commit that is the last of them."""
    from django.core.management import CommandError, call_command
    from django.db import connections

    left = at
    connection = connections["sqlite"]
    commit = connection._commit

    def arrive():
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def execute(run, *arguments):
        arrive()
        return run(*arguments)

    def committing():
        arrive()
        commit()
        arrive()

    connection.execute_wrappers.append(execute)
    connection._commit = committing
    try:
        with open(os.devnull, "w") as nowhere:
            call_command(*command, stdout=nowhere)
    except CommandError:
        return REFUSED
    return DONE


def _race() -> None:
    from payroll.models import PayCycle
    from payroll.services.cycles import post_cycle
    from rodcorp.errors import Conflict
    from tests.payroll.paying import ANN, approved, assert_paid_once

    approved(PayCycle.objects.get())
    _close()
    ready, is_ready = os.pipe()
    started, start = os.pipe()

    def post() -> int:
        os.close(start)
        cycle = PayCycle.objects.get(number=1)
        os.write(is_ready, b".")
        # ends when the last writing end of the pipe is closed
        os.read(started, 1)
        try:
            post_cycle(actor=ANN, cycle=cycle)
        except Conflict as refusal:
            _say(refusal=refusal.message)
            return REFUSED
        return DONE

    workers = [_fork(post) for _ in range(WORKERS)]
    for _ in workers:
        os.read(ready, 1)
    os.close(start)
    _say(ended=[_end_of(worker) for worker in workers])
    assert_paid_once(PayCycle.objects.get(number=1))


def _in_a_process(work) -> int:
    _close()
    return _end_of(_fork(work))


def _fork(work) -> int:
    """Nothing may be open: a file's locks do not survive a fork."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _everything() -> str:
    """A digest of all rows there are."""
    from django.db import connections

    connection = connections["sqlite"]
    digest = hashlib.sha256()
    for table in sorted(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            digest.update(repr((table, sorted(map(repr, cursor.fetchall())))).encode())
    return digest.hexdigest()


def _close() -> None:
    from django.db import connections

    connections.close_all()


def _say(**values) -> None:
    sys.stdout.write(f"{json.dumps(values)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
