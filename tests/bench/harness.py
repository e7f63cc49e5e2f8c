"""What every measurement shares: the line it prints, fresh databases, interleaved repetitions.

Two things measured in the same run are compared as a ratio wherever they can be: a number of
seconds says more about the machine than about the code. What was promised in seconds is measured in
seconds.
"""

import gc
import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPETITIONS = 9

RATIO, MILLISECONDS, SECONDS, COUNT = "", "ms", "s", "of"
_SHOWN = {RATIO: "{:.2f}", MILLISECONDS: "{:.1f} ms", SECONDS: "{:.2f} s", COUNT: "{:.0f}"}


@dataclass(frozen=True)
class Line:
    """A figure beside its bound, both in `unit`. Without a bound it is for information. What could
    not be measured here has no figure, and says why."""

    name: str
    measured: float | None
    bound: float | None = None
    unit: str = RATIO
    smaller_is_better: bool = True
    why_not: str = ""

    @property
    def missed(self) -> bool:
        if self.bound is None or self.measured is None:
            return False
        if self.smaller_is_better:
            return self.measured > self.bound
        return self.measured < self.bound

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return f"NOT MEASURED: {self.why_not}"
        if self.bound is None:
            return ""
        return "MISSED" if self.missed else "ok"

    def columns(self) -> tuple[str, str, str, str]:
        sign = "≤" if self.smaller_is_better else "≥"
        measured = "-" if self.measured is None else self._shown(self.measured)
        bound = "-" if self.bound is None else f"{sign} {self._shown(self.bound)}"
        return self.name, measured, bound, self.verdict

    def _shown(self, value: float) -> str:
        return _SHOWN[self.unit].format(value)


def milliseconds(name: str, seconds: float, bound_s: float | None = None) -> Line:
    return Line(name, seconds * 1e3, None if bound_s is None else bound_s * 1e3, MILLISECONDS)


def seconds(name: str, measured: float, bound: float | None = None) -> Line:
    return Line(name, measured, bound, SECONDS)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


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

    def prepared(work: Callable[[], object]) -> float:
        before()
        gc.collect()
        gc.disable()  # it would strike one side of a ratio, and not the other
        try:
            return seconds_of(work)
        finally:
            gc.enable()

    ratios = [prepared(measured) / prepared(reference) for _ in range(repetitions + 1)]
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
