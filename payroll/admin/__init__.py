"""Salaries, the ledger, pay cycles and evaluations in the admin."""

from payroll.admin import cycles, evaluations, ledger, salaries

__all__ = ["cycles", "evaluations", "ledger", "salaries"]
