"""System checks: settings that money or ratings follow from."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

MAX_WEIGHT = 1000


@register()
def check_rating_settings(**kwargs: Any) -> list[CheckMessage]:
    prior, weight = settings.RODCORP_RATING_PRIOR, settings.RODCORP_RATING_WEIGHT
    found: list[CheckMessage] = []
    if not (prior.is_finite() and 0 <= prior <= 5 and prior == prior.quantize(Decimal("0.01"))):
        found.append(
            Error(
                f"RODCORP_RATING_PRIOR is {prior}.",
                hint="It is a score from 0.00 to 5.00 with at most two decimals.",
                id="payroll.E001",
            )
        )
    if not 0 <= weight <= MAX_WEIGHT:
        found.append(
            Error(
                f"RODCORP_RATING_WEIGHT is {weight}.",
                hint=f"It is a whole number of judgements from 0 to {MAX_WEIGHT}.",
                id="payroll.E002",
            )
        )
    return found
