"""How a department declares a service: the one write path of page, API, command and facade."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.db import DatabaseError
from django.db.models import Model

from rodcorp.actors import Actor, Permission
from rodcorp.databases import refusals
from rodcorp.databases.units import Unit, run_in_unit

P = ParamSpec("P")
T = TypeVar("T")

# every declared service by its operation; tests and the documentation read it
SERVICES: dict[str, Callable[..., Any]] = {}


def service(operation: str, *, needs: Permission) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The function runs as one unit of work, for an actor who has the permission `needs`.

    It takes keywords only: `actor`, its inputs and, where a caller may repeat it, `key`. Rows among
    its inputs show what became of them once the unit is committed; when it fails they are as they
    were.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            actor = cast(Actor, kwargs["actor"])
            actor.require(needs)
            key = cast(str | None, kwargs.get("key"))
            body = {name: kwargs[name] for name in kwargs if name not in ("actor", "key")}
            given = _Given(value for value in kwargs.values() if isinstance(value, Model))
            attempts = 0

            def attempt(unit: Unit) -> T:
                nonlocal attempts
                if attempts:
                    given.put_back()
                attempts += 1
                try:
                    return function(*args, **kwargs)
                except DatabaseError as error:
                    if refusal := refusals.told(error):
                        raise refusal from error
                    raise

            try:
                return run_in_unit(attempt, actor=actor, operation=operation, key=key, body=body)
            except BaseException:
                given.put_back()
                raise

        assert operation not in SERVICES, f"two services are called {operation}"
        SERVICES[operation] = run
        return run

    return declare


class _Given:
    """The rows a service was given, as they were. A unit may run twice, or fail: run again it must
    find them so, not as its first attempt left them."""

    def __init__(self, rows: Iterable[Model]) -> None:
        self._were = [
            (row, row.__dict__.copy(), row._state.__dict__.copy(), row._state.fields_cache.copy())
            for row in rows
        ]

    def put_back(self) -> None:
        for row, values, state, related in self._were:
            row.__dict__.clear()
            row.__dict__.update(values)
            row._state.__dict__.update(state)
            row._state.fields_cache = related.copy()
