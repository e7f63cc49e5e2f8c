"""For a process of its own on a company's two files, which are in RODCORP_DATA_DIR."""

from rodcorp.settings import *  # noqa: F403
from rodcorp.settings import DATA_DIR
from tests.sides.files import configured
from tests.sides.link import Link

LINK = Link(DATA_DIR)
DATABASES = configured(DATA_DIR, LINK)
