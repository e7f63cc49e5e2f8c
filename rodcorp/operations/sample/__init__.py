"""The sample company: a believable one to look around in, and to remove again."""

from rodcorp.operations.sample.loading import SampleSummary, is_never_used, load_sample_data
from rodcorp.operations.sample.removing import RemovalSummary, remove_sample_data

__all__ = [
    "RemovalSummary",
    "SampleSummary",
    "is_never_used",
    "load_sample_data",
    "remove_sample_data",
]
