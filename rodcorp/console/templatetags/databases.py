"""Where the company's data is, on every page."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django import template
from django.utils import timezone

from rodcorp.databases.mode import Mode
from rodcorp.databases.sides import has_primary, mode_file

register = template.Library()


@dataclass(frozen=True)
class Place:
    """`tone` is a badge's colour; empty where nothing is worth looking at. `about` says more."""

    word: str
    tone: str
    about: str


@register.simple_tag(name="place_of_data")
def place_of_data() -> Place:
    """By the mode file alone: no database is asked."""
    if not has_primary():
        return Place("SQLite", "", "The company's data is in SQLite")
    state = mode_file().read()
    since = datetime.fromtimestamp(state.since, UTC)
    moment = f"since {since:%Y-%m-%d %H:%M} UTC"
    if state.stopped:
        return Place("Nothing is written", "bad", "Nothing is written until a person has looked")
    if state.mode is Mode.FALLBACK:
        about = f"The company's data is in this host's copy {moment}"
        return Place(f"Copy since {_short(since)}", "warn", about)
    if state.mode is Mode.HEALING:
        about = f"What was written to this host's copy is being brought home, {moment}"
        return Place("Going home", "busy", about)
    return Place("SQL Server", "", f"The company's data is in SQL Server {moment}")


def _short(since: datetime) -> str:
    is_today = since.date() == timezone.now().date()
    return f"{since:%H:%M}" if is_today else f"{since:%Y-%m-%d}"
