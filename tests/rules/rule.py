"""What a rule is, for those who list them and those who take them out."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class NoLongerApplies(Exception):
    """What is to be taken out is not there, or is there more than once."""


@dataclass(frozen=True)
class Edit:
    """`old`, which is in the file once, becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Way:
    """One way to take a rule out, and the tests of which at least one must fail then."""

    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    name: str
    says: str
    ways: tuple[Way, ...]


def rule(name: str, says: str, *ways: Way) -> Rule:
    return Rule(name, says, ways)


def without(file: str, old: str, new: str, *noticed_by: str, also: tuple[Edit, ...] = ()) -> Way:
    return Way((Edit(file, old, new), *also), noticed_by)


def edited(way: Way, root: Path = ROOT) -> Mapping[str, str]:
    """The files that change, as they are then. Raises `NoLongerApplies`."""
    texts: dict[str, str] = {}
    for edit in way.edits:
        text = texts.get(edit.file) or (root / edit.file).read_text()
        if (found := text.count(edit.old)) != 1:
            raise NoLongerApplies(f"{edit.file} has {found} times: {edit.old}")
        texts[edit.file] = text.replace(edit.old, edit.new)
    for file, text in texts.items():
        try:
            ast.parse(text)
        except SyntaxError as error:
            raise NoLongerApplies(f"{file} cannot be read any more: {error}") from error
    return texts
