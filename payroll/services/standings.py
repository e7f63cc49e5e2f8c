"""Moving the standings on to a new day."""

from datetime import date

from payroll.derived import standings
from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import open_unit
from rodcorp.kit import validation
from rodcorp.kit.services import service


@service("payroll.roll_standings", needs=Permission.RUN_SYSTEM)
def roll_standings(*, actor: Actor, day: date | None = None) -> bool:
    """Take the days that fell out of the periods of 7 and 30 days off the standings, and note
    everybody's place at the end of the day before `day` (today, UTC). Once a day it does something;
    False when somebody had done it already."""
    up_to = standings.today() if day is None else validation.moment(day, "day").date()
    return standings.roll(open_unit().alias, up_to)
