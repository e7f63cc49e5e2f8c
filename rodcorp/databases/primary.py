"""The settings of the `mssql` alias, from the environment.

The alias exists only when MSSQL_HOST is set. Whatever is missing or wrong is an error that names
the variable; no host, name or password has a default here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from rodcorp.databases.driver import NAME as DRIVER

MSSQL = "mssql"
ENGINE = "rodcorp.databases.backend"

# What a statement with parameters starts with if a duplicate key is not to end the transaction; the
# statement sets it ON again.
KEEPS_TRANSACTION = "SET XACT_ABORT OFF;"

# Every variable read here, with its default, for the documentation.
VARIABLES = {
    "MSSQL_HOST": "",
    "MSSQL_PORT": "1433",
    "MSSQL_DATABASE": "",
    "MSSQL_USER": "",
    "MSSQL_PASSWORD": "",
    "MSSQL_PASSWORD_FILE": "",
    "MSSQL_ENCRYPT": "yes",
    "MSSQL_TRUST_SERVER_CERTIFICATE": "no",
    "MSSQL_SERVER_CERTIFICATE": "",
    "MSSQL_HOST_NAME_IN_CERTIFICATE": "",
    "MSSQL_MULTI_SUBNET_FAILOVER": "no",
    "MSSQL_CONNECT_TIMEOUT": "3",
    "MSSQL_QUERY_TIMEOUT": "10",
    "MSSQL_LOCK_TIMEOUT": "4",
    "MSSQL_MAX_CONNECTIONS": "20",
}

_YES = {"yes": "yes", "true": "yes", "1": "yes", "on": "yes"}
_NO = {"no": "no", "false": "no", "0": "no", "off": "no"}


class Password(str):
    """Prints as stars, so that it is in no traceback, log or dump of the settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def primary_settings(env: Mapping[str, str]) -> dict[str, Any] | None:
    """The alias's settings, or None without MSSQL_HOST. Times are in seconds, LIMITS says its own
    units and is read by the engine, not by Django."""
    if not _text(env, "MSSQL_HOST"):
        return None
    query_timeout = _number(env, "MSSQL_QUERY_TIMEOUT", 1, 3600)
    return {
        "ENGINE": ENGINE,
        "HOST": _host(env),
        "PORT": str(_number(env, "MSSQL_PORT", 1, 65535)),
        "NAME": _required(env, "MSSQL_DATABASE"),
        "USER": _required(env, "MSSQL_USER"),
        "PASSWORD": _password(env),
        "TIME_ZONE": None,
        # Given back to the pool after each request. The engine finds a dead connection by the first
        # error on it; a look before every request would cost a round trip and hang when the server
        # does.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            "driver": DRIVER,
            "connection_timeout": _number(env, "MSSQL_CONNECT_TIMEOUT", 1, 60),
            # mssql-django would block for 25 s here; the engine has a policy of its own.
            "connection_retries": 0,
            "query_timeout": query_timeout,
            # INSERT ... OUTPUT is refused on a table with triggers.
            "return_rows_bulk_insert": False,
            "extra_params": _extra_parameters(env),
        },
        "LIMITS": {
            "lock_timeout_ms": _lock_timeout_ms(env, query_timeout),
            "max_connections": _number(env, "MSSQL_MAX_CONNECTIONS", 1, 1000),
        },
        "TEST": {"DEPENDENCIES": []},
    }


def session_sql(settings: Mapping[str, Any]) -> str:
    """What every new connection runs first. An error then ends the whole transaction, and waiting
    for a lock ends as 1222, long before it could look like an outage."""
    return f"SET XACT_ABORT ON; SET LOCK_TIMEOUT {int(settings['LIMITS']['lock_timeout_ms'])};"


def _extra_parameters(env: Mapping[str, str]) -> str:
    """mssql-django appends this as it is, so values are quoted here. Keep-alive ends the wait for
    a host that is gone in the middle of a result, which no query timeout covers: after 5 s and,
    on Linux, 9 tries."""
    parameters = {
        "Encrypt": _choice(env, "MSSQL_ENCRYPT", {**_YES, **_NO, "strict": "strict"}),
        "TrustServerCertificate": _choice(env, "MSSQL_TRUST_SERVER_CERTIFICATE", {**_YES, **_NO}),
        "MultiSubnetFailover": _choice(env, "MSSQL_MULTI_SUBNET_FAILOVER", {**_YES, **_NO}),
        "ConnectRetryCount": "0",
        "MARS_Connection": "no",
        "KeepAlive": "5",
        "KeepAliveInterval": "1",
        "APP": "Rod-Corp",
    }
    strict = parameters["Encrypt"] == "strict"
    if strict and parameters["TrustServerCertificate"] == "yes":
        raise ImproperlyConfigured(
            "MSSQL_TRUST_SERVER_CERTIFICATE does nothing with MSSQL_ENCRYPT=strict; name the "
            "certificate in MSSQL_SERVER_CERTIFICATE instead."
        )
    if certificate := _text(env, "MSSQL_SERVER_CERTIFICATE"):
        parameters["ServerCertificate"] = _certificate(certificate, strict=strict)
    if name := _text(env, "MSSQL_HOST_NAME_IN_CERTIFICATE"):
        parameters["HostNameInCertificate"] = name
    return ";".join(f"{key}={quote(value)}" for key, value in parameters.items())


def _certificate(path: str, *, strict: bool) -> str:
    """The driver accepts the option otherwise too, and ignores it."""
    if not strict:
        raise ImproperlyConfigured(
            "MSSQL_SERVER_CERTIFICATE does nothing without MSSQL_ENCRYPT=strict; with `yes`, add "
            "the certificate's issuer to the system's store or name it in SSL_CERT_FILE."
        )
    if not Path(path).is_file():
        raise ImproperlyConfigured(f"MSSQL_SERVER_CERTIFICATE: there is no file {path!r}.")
    return path


def quote(value: str) -> str:
    """A value as ODBC reads it back: in braces, with closing braces doubled, if it has to be."""
    if value == value.strip() and not set(value) & set(";{}[]()=,?*!@"):
        return value
    return "{" + value.replace("}", "}}") + "}"


def _text(env: Mapping[str, str], variable: str) -> str:
    value = env.get(variable, "").strip() or VARIABLES[variable]
    if not value.isprintable():
        raise ImproperlyConfigured(f"{variable} holds a control character.")
    return value


def _required(env: Mapping[str, str], variable: str) -> str:
    if value := _text(env, variable):
        return value
    raise ImproperlyConfigured(f"MSSQL_HOST is set, so {variable} must be too.")


def _host(env: Mapping[str, str]) -> str:
    host = _text(env, "MSSQL_HOST")
    if "\\" in host:
        raise ImproperlyConfigured(
            "MSSQL_HOST names an instance; name its port in MSSQL_PORT instead."
        )
    if set(host) & set(",;{}= "):
        raise ImproperlyConfigured(
            "MSSQL_HOST must be a host name or an address; the port goes into MSSQL_PORT."
        )
    return host


def _password(env: Mapping[str, str]) -> Password:
    """As it is written, blanks included; of a file, all but the last line's end."""
    password, file = env.get("MSSQL_PASSWORD", ""), _text(env, "MSSQL_PASSWORD_FILE")
    if password and file:
        raise ImproperlyConfigured("Set MSSQL_PASSWORD or MSSQL_PASSWORD_FILE, not both.")
    if file:
        try:
            password = Path(file).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(
                f"MSSQL_PASSWORD_FILE cannot be read ({type(error).__name__})."
            ) from None
    if not password:
        raise ImproperlyConfigured(
            "MSSQL_PASSWORD_FILE is empty."
            if file
            else "MSSQL_HOST is set, so MSSQL_PASSWORD or MSSQL_PASSWORD_FILE must be too."
        )
    if not password.isprintable():
        raise ImproperlyConfigured(
            f"{'MSSQL_PASSWORD_FILE' if file else 'MSSQL_PASSWORD'} holds a control character."
        )
    return Password(password)


def _choice(env: Mapping[str, str], variable: str, allowed: Mapping[str, str]) -> str:
    value = _text(env, variable).lower()
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{variable} is {value!r}; allowed are {', '.join(dict.fromkeys(allowed.values()))}."
        )
    return allowed[value]


def _number(env: Mapping[str, str], variable: str, least: int, most: int) -> int:
    value = _text(env, variable)
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{variable} is {value!r}; it must be a whole number from {least} to {most}."
        )
    return int(value)


def _lock_timeout_ms(env: Mapping[str, str], query_timeout_s: int) -> int:
    value = _text(env, "MSSQL_LOCK_TIMEOUT")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds < query_timeout_s:
        raise ImproperlyConfigured(
            f"MSSQL_LOCK_TIMEOUT is {value!r}; it must be seconds above 0 and below "
            f"MSSQL_QUERY_TIMEOUT ({query_timeout_s})."
        )
    return int(seconds * 1000)
