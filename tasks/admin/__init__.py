"""Tasks and what hangs on them in the admin."""

from tasks.admin import parts, task, verdicts

__all__ = ["parts", "task", "verdicts"]
