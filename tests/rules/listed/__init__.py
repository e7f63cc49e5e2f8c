"""Every rule by which SQL Server (the primary) and this host's file (the copy) are one database, in
the order in which they are needed, with what takes it out and who notices."""

from tests.rules.listed.cut_back import CUT_BACK
from tests.rules.listed.feed import THE_FEED
from tests.rules.listed.guards import GUARDS
from tests.rules.listed.journal import THE_JOURNAL
from tests.rules.listed.merging import MERGING
from tests.rules.listed.modes import MODES
from tests.rules.listed.replay import THE_REPLAY
from tests.rules.listed.units import UNIT

RULES = (
    *MODES,
    *UNIT,
    *THE_JOURNAL,
    *THE_FEED,
    *THE_REPLAY,
    *MERGING,
    *CUT_BACK,
    *GUARDS,
)
