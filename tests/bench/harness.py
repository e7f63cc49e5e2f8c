"""What every measurement shares: fresh databases, interleaved repetitions, and the ratio.

Only ratios of two things measured in the same run are compared with a bound: a number of seconds
says more about the machine than about the code.
"""

import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPETITIONS = 9


@dataclass(frozen=True)
class Ratio:
    """Without a bound it is for information."""

    name: str
    measured: float
    bound: float | None
    smaller_is_better: bool = True

    @property
    def missed(self) -> bool:
        if self.bound is None:
            return False
        if self.smaller_is_better:
            return self.measured > self.bound
        return self.measured < self.bound


def ratio_of(
    measured: Callable[[], object],
    reference: Callable[[], object],
    *,
    before: Callable[[], object],
    repetitions: int = REPETITIONS,
) -> float:
    """How many times the time of `reference` is that of `measured`: the median over repetitions
    of both in turn, so that a machine that gets busy slows both sides of a ratio.

    `before` runs, untimed, before each; one unmeasured repetition fills caches first.
    """

    def seconds(work: Callable[[], object]) -> float:
        before()
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    ratios = [seconds(measured) / seconds(reference) for _ in range(repetitions + 1)]
    return statistics.median(ratios[1:])


def fresh_databases() -> None:
    """Put the migrated, empty files back."""
    from django.conf import settings
    from django.db import connections

    connections.close_all()
    pristine = Path(settings.DATA_DIR) / "pristine"
    files = [Path(alias["NAME"]) for name, alias in settings.DATABASES.items() if name != "default"]
    if not pristine.exists():
        pristine.mkdir()
        for file in files:
            shutil.copy(file, pristine)
    for file in files:
        for left in file.parent.glob(f"{file.name}-*"):
            left.unlink()
        shutil.copy(pristine / file.name, file)
