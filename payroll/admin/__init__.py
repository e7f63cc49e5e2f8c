"""Salaries, the ledger, pay cycles and evaluations in the admin."""

from payroll.admin import cycles, evaluations, ledger, observations, salaries

__all__ = ["cycles", "evaluations", "ledger", "observations", "salaries"]
