from datetime import timedelta

from django.utils import timezone

from rodcorp.databases.housekeeping import prune_markers
from rodcorp.kit.jobs import job

FAILED_JOBS_ARE_KEPT = timedelta(days=30)


@job("operations.prune", every=timedelta(hours=1))
def prune() -> tuple[int, int]:
    """Throw away old markers and old records of failed jobs; how many of each."""
    from django_q.models import Failure

    before = timezone.now() - FAILED_JOBS_ARE_KEPT
    failed, _ = Failure.objects.filter(stopped__lt=before).delete()
    return prune_markers(), failed
