"""The DATABASES setting of a company on two files. Nothing here needs Django's settings."""

from pathlib import Path
from typing import Any

from rodcorp.databases import configuration
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.primary import MSSQL
from tests.sides.link import Link

PRIMARY_FILE = "primary.db"


def configured(directory: Path, link: Link | None) -> dict[str, dict[str, Any]]:
    """Without a link there is no primary."""
    made = configuration.databases(directory, {})
    if link is not None:
        copy = made[SQLITE]
        made[MSSQL] = {
            **copy,
            "ENGINE": "tests.sides",
            "NAME": str(directory / PRIMARY_FILE),
            "LINK": link,
        }
    return made
