"""Host-local rows of the job runner."""

from django.db import models

from rodcorp.databases.fields import UtcDateTimeField


class JobLease(models.Model):
    """Who runs a scheduled job now; it keeps two workers of a host off the same sweep."""

    name = models.CharField(max_length=100, primary_key=True)
    token = models.CharField(max_length=40)
    until = UtcDateTimeField()

    def __str__(self) -> str:
        return self.name
