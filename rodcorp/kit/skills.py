"""Skills with their levels, as people type them."""

import re

from django.core.exceptions import ValidationError


def skills_from_text(text: str) -> dict[str, int]:
    """`python 7` a line, as a form field takes it; the service judges the levels."""
    skills: dict[str, int] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, level = line.rpartition(" ")
        if not name or not re.fullmatch("[0-9]{1,3}", level):
            raise ValidationError(f"Write a skill and its level, like python 7; not {line}.")
        skills[name.rstrip(" :")] = int(level)
    return skills
