"""The list of rules cannot rot: what takes a rule out is still there, and so is who notices."""

import ast
from functools import cache

import pytest

from tests.rules.listed import RULES
from tests.rules.rule import ROOT, edited

WAYS = [
    pytest.param(way, id=f"{rule.name}-{number}")
    for rule in RULES
    for number, way in enumerate(rule.ways, 1)
]


@cache
def names_in(file):
    """The tests of a file, as pytest names them."""
    tree = ast.parse((ROOT / file).read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if hasattr(each, "name")}
    return found


def test_every_rule_has_a_name_of_its_own_and_a_way_to_take_it_out():
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert [rule.name for rule in RULES if not rule.ways] == []


@pytest.mark.parametrize("way", WAYS)
def test_what_takes_a_rule_out_is_there_once(way):
    assert edited(way)


@pytest.mark.parametrize("way", WAYS)
def test_who_notices_that_a_rule_is_taken_out_exists(way):
    assert way.noticed_by
    for test in way.noticed_by:
        file, _, name = test.partition("::")
        assert not name or name.partition("[")[0] in names_in(file), test
