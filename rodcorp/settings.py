"""All settings, from the environment only; `.env.example` lists every variable.

Safe by default: outside `RODCORP_DEBUG=1` cookies and redirects assume HTTPS, and the secret key
is generated into a file that only this user can read.
"""

import os
import secrets
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ

from rodcorp import logs
from rodcorp.databases.configuration import databases
from rodcorp.kit import look

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def _file_secret(path: Path) -> str:
    """A secret made once and kept in `path` (mode 600)."""
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


# --- where things are ---------------------------------------------------------------------------
DATA_DIR = Path(env.str("RODCORP_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
LOG_DIR = DATA_DIR / "logs"
LOG_DIR.mkdir(exist_ok=True)

# --- security -----------------------------------------------------------------------------------
DEBUG = env.bool("RODCORP_DEBUG", default=False)
SECRET_KEY = env.str("RODCORP_SECRET_KEY", default="") or _file_secret(DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.list("RODCORP_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("RODCORP_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("RODCORP_HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if env.bool("RODCORP_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"

# --- what it is made of -------------------------------------------------------------------------
INSTALLED_APPS = [
    "rodcorp.databases",
    "rodcorp.kit",
    "rodcorp.people",
    "agents",
    "payroll",
    "tasks",
    "rodcorp.gateway",
    "rodcorp.operations",
    "rodcorp.console",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "import_export",
    "simple_history",
    "axes",
    "django_q",
    "django_filters",
    "django_tables2",
    "rodcorp.people.site.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "rodcorp.databases.middleware.DatabaseMiddleware",
]

ROOT_URLCONF = "rodcorp.urls"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- databases ----------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = databases(DATA_DIR, os.environ)
DATABASE_ROUTERS = ["rodcorp.databases.router.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "django.test.runner.DiscoverRunner"
SIMPLE_HISTORY_DATE_INDEX = "Composite"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- people -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "rodcorp.people.lockout.counted_username"
AXES_LOCKOUT_CALLABLE = "rodcorp.people.lockout.locked_out"
AXES_ENABLE_ADMIN = False

# --- jobs ---------------------------------------------------------------------------------------
# save_limit -1 keeps no record of successful jobs: with django-q2's default, deleting the oldest
# record after each job holds the queue at a tenth of its speed.
Q_CLUSTER = {
    "name": "rodcorp",
    "label": "Jobs",
    "orm": "local",
    "workers": env.int("RODCORP_WORKERS", default=1),
    "timeout": 300,
    "retry": 360,
    "max_attempts": 5,
    "ack_failures": True,
    "save_limit": -1,
    "poll": 0.5,
    "catch_up": False,
}

# --- language and time --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["rodcorp.formats"]
STATIC_URL = "static/"

# --- the company --------------------------------------------------------------------------------
# the first admin's password; without it one is made up and shown once
RODCORP_ADMIN_PASSWORD = env.str("RODCORP_ADMIN_PASSWORD", default="")
RODCORP_PROJECT = env.str("RODCORP_PROJECT", default="default")
RODCORP_SAMPLE_DATA = env.bool("RODCORP_SAMPLE_DATA", default=not env.str("MSSQL_HOST", default=""))
RODCORP_LATE_AFTER_SECONDS = env.int("RODCORP_LATE_AFTER_SECONDS", default=120)
RODCORP_DOWN_AFTER_SECONDS = env.int("RODCORP_DOWN_AFTER_SECONDS", default=600)
RODCORP_REWARDS = {
    "low": env.int("RODCORP_REWARD_LOW", default=5),
    "normal": env.int("RODCORP_REWARD_NORMAL", default=10),
    "high": env.int("RODCORP_REWARD_HIGH", default=20),
    "urgent": env.int("RODCORP_REWARD_URGENT", default=40),
}
# the score a rating is shrunk towards, and as how many judgements it counts
RODCORP_RATING_PRIOR = Decimal(env.str("RODCORP_RATING_PRIOR", default="3.00"))
RODCORP_RATING_WEIGHT = env.int("RODCORP_RATING_WEIGHT", default=5)
RODCORP_KEY_WINDOW_DAYS = env.int("RODCORP_KEY_WINDOW_DAYS", default=30)

# --- look ---------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Rod-Corp",
    "SITE_HEADER": "Rod-Corp",
    "SITE_SUBHEADER": "Control room",
    "SITE_URL": "/",
    "SITE_ICON": "rodcorp.kit.look.icon",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "rodcorp.kit.look.icon"},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["rodcorp.kit.look.stylesheet"],
    "COLORS": look.COLORS,
    "SIDEBAR": {"navigation": "rodcorp.console.navigation.sidebar"},
}

# --- logs ---------------------------------------------------------------------------------------
LOGGING = logs.configuration(
    LOG_DIR,
    level=env.str("RODCORP_LOG_LEVEL", default="INFO"),
    as_json=env.bool("RODCORP_LOG_JSON", default=False),
    secrets=[
        SECRET_KEY,
        RODCORP_ADMIN_PASSWORD,
        DATABASES.get("mssql", {}).get("PASSWORD", ""),
    ],
)
