"""The time that is written: this host's clock, corrected by what the last good look at the primary
measured, so that rows of several hosts are in one order."""

from datetime import datetime, timedelta

from django.utils import timezone

from rodcorp.databases.sides import Side, current, mode_file


def now() -> datetime:
    """UTC."""
    return on(current())


def on(side: Side) -> datetime:
    """The same, where the side is known."""
    return timezone.now() + timedelta(seconds=side.clock_offset)


def note_offset(offset_s: float, error_s: float) -> None:
    """What a look measured. What could be the look's own slowness corrects nothing."""
    mode_file().set_clock_offset(offset_s if abs(offset_s) > error_s else 0.0)
