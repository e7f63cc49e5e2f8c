"""Derived: what agents earned by day and by period, so that a leaderboard never adds up the ledger.

Nothing points at an agent with a constraint here: these rows are made from the ledger's on each
side, and must not keep the feed from deleting an agent.
"""

from django.db import models

from agents.models import Agent
from rodcorp.databases.fields import GuidField
from rodcorp.databases.ids import new_id


class EarningsDay(models.Model):
    """What an agent earned on one day (UTC), by type, less reversals. It is found by (agent, day);
    the id of a row that was made anew is the database's own."""

    is_derived = True

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="EarningsUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        related_name="earnings_days",
        db_constraint=False,
        db_index=False,
        db_column="AgentUUID",
    )
    day = models.DateField(db_column="Day")
    earned = models.BigIntegerField(default=0, db_column="Earned")
    bonus = models.BigIntegerField(default=0, db_column="Bonus")
    salary = models.BigIntegerField(default=0, db_column="Salary")

    class Meta:
        db_table = "EarningsDays"
        constraints = [
            models.UniqueConstraint(fields=["agent", "day"], name="EarningsDays_Agent_Day"),
        ]
        indexes = [models.Index(fields=["day"], name="EarningsDays_Day")]

    def __str__(self) -> str:
        return f"{self.earned + self.bonus + self.salary} on {self.day}"


class Standing(models.Model):
    """What an agent earned in a period, by type, less reversals: `all`, `7d`, `30d` or `cycle/N`.
    It is found by (agent, period); the id of a row that was made anew is the database's own."""

    is_derived = True

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="StandingUUID")
    period = models.CharField(max_length=20, db_column="Period")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        related_name="standings",
        db_constraint=False,
        db_index=False,
        db_column="AgentUUID",
    )
    earned = models.BigIntegerField(default=0, db_column="Earned")
    bonus = models.BigIntegerField(default=0, db_column="Bonus")
    salary = models.BigIntegerField(default=0, db_column="Salary")
    total = models.BigIntegerField(default=0, db_column="Total")
    # the agent's place at the end of the day before; none if it had not earned anything
    place_before = models.IntegerField(null=True, db_column="PlaceBefore")

    class Meta:
        db_table = "Standings"
        constraints = [
            models.UniqueConstraint(fields=["agent", "period"], name="Standings_Agent_Period"),
        ]
        indexes = [models.Index(fields=["period", "-total"], name="Standings_Period_Total")]

    def __str__(self) -> str:
        return f"{self.total} in {self.period}"


class StandingsDay(models.Model):
    """Up to which day (UTC) the periods of so many days reach. One row; the id is natural."""

    is_derived = True

    id = GuidField(primary_key=True, editable=False, db_column="StandingsDayUUID")
    day = models.DateField(db_column="Day")

    class Meta:
        db_table = "StandingsDay"

    def __str__(self) -> str:
        return str(self.day)
