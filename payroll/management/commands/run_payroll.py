import json
from typing import Any

from django.core.management.base import CommandParser

from payroll.models import PayCycle, PayCycleState, Payslip, RodCoinsTransaction
from payroll.services.cycles import approve_cycle, compute_cycle, open_cycle, post_cycle
from rodcorp.actors import Actor
from rodcorp.databases import clock
from rodcorp.errors import Conflict, InvalidInput, NotFound
from rodcorp.kit import validation
from rodcorp.kit.commands import RodCorpCommand
from rodcorp.people.models import User

COMPUTE, APPROVE, POST, ALL = "compute", "approve", "post", "all-that-is-due"

# what each step is made from
STEPS = {
    COMPUTE: PayCycleState.DRAFT,
    APPROVE: PayCycleState.COMPUTED,
    POST: PayCycleState.APPROVED,
}


class Command(RodCorpCommand):
    help = (
        "Runs pay cycles: computes the payslips, has a user approve them, pays them. A cycle is "
        "due once it has ended."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cycle", help="its number; else the first one the step is for")
        parser.add_argument(
            "--ends-at", help="opens the next cycle, which ends then, unless one is a draft"
        )
        parser.add_argument("--step", default=ALL, help=f"{', '.join([*STEPS, ALL])} ({ALL})")
        parser.add_argument(
            "--as",
            dest="username",
            help="the user who makes the step; of all that is due, who approves",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        step = validation.choice(options["step"], "step", [*STEPS, ALL])
        person = _person(options["username"])
        if step == APPROVE and person is None:
            raise InvalidInput(
                "A person approves: name a user with the role payroll or admin with --as.",
                field="as",
            )
        if options["ends_at"] is not None:
            self._open(options["ends_at"], person)
        done = []
        if step == ALL:
            for cycle in self._due(options["cycle"]):
                done.append(self._make_all(cycle, person))
                if cycle.state != PayCycleState.POSTED:
                    break
        else:
            cycle = _chosen(step, options["cycle"])
            done.append(self._watched(cycle, lambda: self._make(step, cycle, person)))
        if options["as_json"]:
            self.stdout.write(json.dumps(done))
            return
        if not done:
            self.stdout.write("No pay cycle is due.")
        for each in done:
            self._tell(each)

    def _open(self, ends_at: str, person: Actor | None) -> None:
        draft = PayCycle.objects.first_in(PayCycleState.DRAFT)
        if draft is None:
            open_cycle(actor=person or self.actor, ends_at=ends_at)
        elif draft.ends_at != validation.moment(ends_at, "ends_at"):
            raise Conflict(
                f"{draft} is a draft and ends {draft.ends_at:%Y-%m-%d %H:%M} UTC; leave --ends-at "
                "out.",
                field="ends_at",
            )

    def _due(self, number: str | None) -> list[PayCycle]:
        if number is not None:
            return [PayCycle.objects.numbered(number)]
        return list(PayCycle.objects.due(clock.now()))

    def _make_all(self, cycle: PayCycle, person: Actor | None) -> dict[str, Any]:
        def make() -> None:
            if cycle.state == PayCycleState.DRAFT:
                compute_cycle(actor=self.actor, cycle=cycle)
            if cycle.state == PayCycleState.COMPUTED and person is not None:
                approve_cycle(actor=person, cycle=cycle)
            if cycle.state == PayCycleState.APPROVED:
                post_cycle(actor=self.actor, cycle=cycle)

        return self._watched(cycle, make)

    def _make(self, step: str, cycle: PayCycle, person: Actor | None) -> None:
        make = {COMPUTE: compute_cycle, APPROVE: approve_cycle, POST: post_cycle}[step]
        make(actor=person or self.actor, cycle=cycle)

    def _watched(self, cycle: PayCycle, make: Any) -> dict[str, Any]:
        before = _totals(cycle)
        make()
        return {"cycle": cycle.number, "before": before, "after": _totals(cycle)}

    def _tell(self, done: dict[str, Any]) -> None:
        for when in ("before", "after"):
            totals = done[when]
            self.stdout.write(
                f"cycle {done['cycle']} {when}: {totals['state']}, {totals['payslips']:,} "
                f"payslips, net {totals['net']:,}, due {totals['due']:,}, recovered "
                f"{totals['recovered']:,}, paid {totals['paid']:,}"
            )
        if done["after"]["state"] == PayCycleState.COMPUTED:
            self.stdout.write("It waits for approval: run_payroll --step approve --as USERNAME")


def _person(username: str | None) -> Actor | None:
    if username is None:
        return None
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"There is no user '{username}'.", field="as")
    return user.as_actor()


def _chosen(step: str, number: str | None) -> PayCycle:
    if number is not None:
        return PayCycle.objects.numbered(number)
    found = PayCycle.objects.first_in(STEPS[step])
    if found is None:
        hint = " Open one with --ends-at." if step == COMPUTE else ""
        raise Conflict(f"No pay cycle is {STEPS[step].value}.{hint}", field="cycle")
    return found


def _totals(cycle: PayCycle) -> dict[str, Any]:
    return {
        "state": cycle.state,
        **Payslip.objects.filter(cycle=cycle).totals(),
        "paid": RodCoinsTransaction.objects.salaries_paid_in(cycle),
    }
