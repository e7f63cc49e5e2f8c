"""Where rows live, and what must be true of every model."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections, models
from django.test.utils import isolate_apps

from rodcorp.databases import checks
from rodcorp.databases.configuration import databases
from rodcorp.databases.fields import GuidField
from rodcorp.databases.router import Router, home_of

HOSTS_OWN = ["axes", "django_q", "sessions", "auth", "contenttypes", "kit"]


def errors_of(check, monkeypatch, *found):
    monkeypatch.setattr(checks.apps, "get_models", lambda **kwargs: list(found))
    return [error.id for error in check(None)]


@pytest.mark.parametrize("app", HOSTS_OWN)
def test_what_belongs_to_a_host_is_in_its_own_file(app):
    assert apps.is_installed(apps.get_app_config(app).name)
    assert home_of(app) == "local"
    allowed = [
        alias for alias in ("mssql", "sqlite", "local") if Router().allow_migrate(alias, app)
    ]
    assert allowed == ["local"]


@pytest.mark.parametrize("alias", ["mssql", "sqlite", "local"])
def test_the_admins_own_log_is_never_made(alias):
    assert not Router().allow_migrate(alias, "admin")


def test_an_app_nobody_has_placed_is_an_error():
    with pytest.raises(ImproperlyConfigured, match="neither replicated nor host-local"):
        home_of("elsewhere")


@isolate_apps("agents")
def test_a_replicated_model_without_a_uuid_key_is_an_error(monkeypatch):
    class Numbered(models.Model):
        class Meta:
            app_label = "agents"

    found = errors_of(checks.replicated_rows_have_uuid_keys, monkeypatch, Numbered)
    assert found == ["databases.E002"]


@isolate_apps("agents")
def test_a_hidden_many_to_many_is_an_error(monkeypatch):
    class Other(models.Model):
        id = GuidField(primary_key=True)

        class Meta:
            app_label = "agents"

    class Linked(models.Model):
        id = GuidField(primary_key=True)
        others = models.ManyToManyField(Other)

        class Meta:
            app_label = "agents"

    hidden = Linked.others.through
    found = errors_of(checks.replicated_rows_have_uuid_keys, monkeypatch, Other, Linked, hidden)
    assert "databases.E003" in found


def test_the_models_there_are_have_nothing_wrong():
    assert list(checks.replicated_rows_have_uuid_keys(None)) == []
    assert list(checks.every_app_has_a_home(None)) == []


def test_the_copy_is_named_before_the_primary(tmp_path):
    primary = dict.fromkeys(("MSSQL_HOST", "MSSQL_DATABASE", "MSSQL_USER", "MSSQL_PASSWORD"), "x")
    assert list(databases(tmp_path, primary)) == ["default", "sqlite", "local", "mssql"]


def test_the_copy_is_migrated_before_the_primary(company, monkeypatch):
    order = []
    monkeypatch.setattr(
        "django.core.management.commands.migrate.Command.handle",
        lambda self, *args, **options: order.append(options["database"]),
    )
    monkeypatch.setattr(
        "rodcorp.databases.sync.rowversions.RowVersions.install", lambda source: None
    )
    call_command("migrate", verbosity=0, interactive=False)
    assert order.index("sqlite") < order.index("mssql")
    assert {*order} == {alias for alias in connections if alias != "default"}
