"""A pytest plugin: the files of a company on two sides are migrated once for many runs."""

import os
import shutil
from pathlib import Path

VARIABLE = "TESTS_RULES_KEPT"


def pytest_collection() -> None:
    from tests.sides import company

    kept = Path(os.environ[VARIABLE])
    make = company._templates

    def templates() -> Path:
        if not kept.exists():
            shutil.copytree(make(), kept)
        return kept

    company._templates = templates
