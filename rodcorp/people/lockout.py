"""Failed sign-ins: whose they are, and what is said when there were too many."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from rodcorp.databases.fields import fold


def counted_username(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The username as it is compared: `Root` and `root ` sign the same person in, so guesses
    under either count together."""
    given = (credentials or {}).get("username") or request.POST.get("username") or ""
    return fold(str(given))[:255]


def locked_out(request: HttpRequest, *args: Any) -> HttpResponse:
    """The page for somebody who is locked out for a while."""
    wait = settings.AXES_COOLOFF_TIME
    context = {
        **admin.site.each_context(request),
        "title": "Too many attempts",
        "minutes": round(wait.total_seconds() / 60),
    }
    response = render(request, "registration/locked_out.html", context, status=429)
    response["Retry-After"] = str(round(wait.total_seconds()))
    return response
