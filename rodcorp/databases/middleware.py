"""A request and its database: one that writes is one unit of work, one that reads is read on one
side, and runs again on the other when the primary is lost in the middle of it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

from rodcorp.actors import actor_of
from rodcorp.databases.current import current_unit
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.repeatable import repeat_part, run_repeatable
from rodcorp.databases.sides import has_primary
from rodcorp.databases.units import Unit, run_in_unit
from rodcorp.errors import RodCorpError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_SERVICE_UNAVAILABLE = 503

# What is the engine's to deal with; anything else is an error of the page.
_ENGINES = frozenset({Kind.UNAVAILABLE, Kind.TRANSIENT, Kind.UNCERTAIN, Kind.FENCED})


class DatabaseMiddleware:
    """The last of all: the others' views of a request come first, sessions and users among them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not has_primary():
            return self.get_response(request)
        try:
            return run_repeatable(lambda: self._respond(request))
        except RodCorpError as error:
            return unavailable(error)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        """The page, or the database's error as it was raised, for `run_repeatable` to judge."""
        request.__dict__.pop("_database_error", None)
        _load_user(request)
        response = self.get_response(request)
        error: Exception | None = request.__dict__.pop("_database_error", None)
        if error is not None:
            raise error
        return response

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """A page that sends something is a unit. What it answers is rendered after it: the copy
        has one write lock. Where nobody is signed in, nothing of the company's is written."""
        if request.method in SAFE_METHODS or not getattr(view, "login_required", True):
            return None
        queued = _Queued(request)

        def work(unit: Unit) -> HttpResponseBase:
            queued.restore()
            return view(request, *args, **kwargs)

        try:
            response = run_in_unit(work, actor=actor_of(request), operation="web.request")
        except RodCorpError as error:
            return unavailable(error)
        request.__dict__["_written_response"] = response
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        if not has_primary():
            return None
        if isinstance(error, RodCorpError) and error.http_status == _SERVICE_UNAVAILABLE:
            return unavailable(error)
        if current_unit() is not None or classify(error, Phase.READING).kind not in _ENGINES:
            return None
        written: Any = request.__dict__.get("_written_response")
        if written is not None:
            # what was asked for is done, and must not be done again; only the page is missing
            rendered: HttpResponseBase = repeat_part(written.render)
            return rendered
        request.__dict__["_database_error"] = error
        return HttpResponse(status=500)


class _Queued:
    """What a view leaves on its request, so that running it again leaves it once."""

    def __init__(self, request: HttpRequest) -> None:
        storage = getattr(request, "_messages", None)
        self._messages: list[Any] | None = getattr(storage, "_queued_messages", None)
        self._count = len(self._messages or [])
        # reads the whole upload, before the unit begins
        self._files = [file for _, files in request.FILES.lists() for file in files]

    def restore(self) -> None:
        if self._messages is not None:
            del self._messages[self._count :]
        for file in self._files:
            file.seek(0)


def _load_user(request: HttpRequest) -> None:
    """Before any view: the others' errors would be a page already when they arrive here."""
    user = getattr(request, "user", None)
    if user is not None:
        _ = user.is_authenticated


def unavailable(error: RodCorpError) -> HttpResponse:
    """The page that says that neither database can take it, and when to come back. It asks none,
    not even for the user. Any other refusal is raised again."""
    if error.http_status != _SERVICE_UNAVAILABLE:
        raise error
    page = render_to_string("503.html", {"message": error.message})
    response = HttpResponse(page, status=_SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(error.details.get("retry_after_s", 5))
    return response
