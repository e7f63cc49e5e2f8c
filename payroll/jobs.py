from datetime import timedelta

from payroll.services.evaluations import evaluate_everybody
from payroll.services.standings import roll_standings
from rodcorp.actors import Actor
from rodcorp.kit.jobs import job


@job("payroll.evaluate_agents", every=timedelta(days=1))
def evaluate() -> int:
    """Write down what was observed of each agent since yesterday; of how many."""
    return len(evaluate_everybody(actor=Actor.system("continuous evaluation")))


@job("payroll.roll_standings", every=timedelta(minutes=5))
def roll() -> bool:
    """Move the leaderboard's 7 and 30 days on to a new day; false if that was done already."""
    return roll_standings(actor=Actor.system("standings"))
