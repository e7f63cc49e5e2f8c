"""What becomes of one row that was written on the copy, when it comes home."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rodcorp.databases import clock
from rodcorp.databases.sync.rules import Row, Rule, Verdict

# No clock of ours is further ahead than this.
AHEAD = timedelta(seconds=60)

THEIRS_STANDS = "both sides changed it; the primary's value stands"


def merge(rule: Rule, base: Row, ours: Row, theirs: Row) -> Verdict:
    """An update, column by column and three ways: what only we changed is ours, what both changed
    is theirs. Columns that go together are taken or left together."""
    if rule.merge:
        return rule.merge(base, ours, theirs)
    return merge_columns(rule, base, ours, theirs)


def merge_columns(rule: Rule, base: Row, ours: Row, theirs: Row) -> Verdict:
    values: Row = {}
    lost: set[str] = set()
    for group in _groups(rule, ours):
        changed = {name for name in group if ours[name] != base.get(name, ours[name])}
        if not changed or all(ours[name] == theirs[name] for name in group):
            continue
        if rule.latest.issuperset(group):
            [name] = group
            if (later := latest(ours[name], theirs[name])) is not None:
                values[name] = later
        elif all(theirs[name] == base.get(name, theirs[name]) for name in group):
            values |= {name: ours[name] for name in group}
        else:
            lost |= {name for name in changed if ours[name] != theirs[name]}
    return Verdict(values, frozenset(lost), THEIRS_STANDS if lost else "")


def latest(ours: datetime | None, theirs: datetime | None) -> datetime | None:
    """Our time, if it is the later one and can be true."""
    if ours is None:
        return None
    ours = min(ours, clock.now() + AHEAD)
    return ours if theirs is None or ours > theirs else None


def is_unchanged(rule: Rule, base: Row, theirs: Row) -> bool:
    """Whether the primary's row is what the unit here began from, whatever its version."""
    ignored = rule.derived | rule.latest
    return all(theirs[name] == base[name] for name in base if name not in ignored)


def differing(rule: Rule, ours: Row, theirs: Row) -> frozenset[str]:
    """The columns in which two rows that should be one differ."""
    ignored = rule.derived | rule.latest
    return frozenset(name for name in ours if name not in ignored and ours[name] != theirs[name])


def _groups(rule: Rule, row: Row) -> Iterable[frozenset[str]]:
    together = {name for group in rule.groups for name in group}
    yield from rule.groups
    for name in row:
        if name not in together and name not in rule.derived:
            yield frozenset({name})
