import json
import logging

import pytest

from rodcorp.logs import MaskingFormatter, MaskingJsonFormatter, configuration, mask


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter22 next", "hunter22"),
        ("Driver=x;PWD={hun;ter22};Encrypt=yes", "hun;ter22"),
        ('{"token": "abc.def-ghi"}', "abc.def-ghi"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("MSSQL_PASSWORD='hunter 22'", "hunter 22"),
        ("mssql://sa:hunter22@127.0.0.1/db", "hunter22"),
        ("used rc_a1b2_s3cr3tpart99", "s3cr3tpart99"),
        ("SECRET_KEY: xyz123!@#", "xyz123!@#"),
        ("api_key=k-123456", "k-123456"),
        ("Cookie: sessionid=abcdef", "abcdef"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, secret):
    masked = mask(text)
    assert secret not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text", ["passing the tests", "10 tokens spent on it", "the secretary wrote: hello"]
)
def test_ordinary_words_stay(text):
    assert mask(text) == text


def record(message, *args, exc_info=None):
    return logging.LogRecord("x", logging.INFO, __file__, 1, message, args, exc_info)


def test_a_known_secret_is_masked_wherever_it_stands():
    formatter = MaskingFormatter("{message}", style="{", secrets=["hunter22"])
    assert formatter.format(record("sent %s off", "xhunter22x")) == "sent x***x off"


def test_a_traceback_is_masked_too():
    formatter = MaskingFormatter("{message}", style="{", secrets=["hunter22"])
    try:
        raise ValueError("login failed for hunter22")
    except ValueError as error:
        text = formatter.format(record("no", exc_info=(ValueError, error, error.__traceback__)))
    assert "hunter22" not in text
    assert "login failed for ***" in text


def test_json_lines_are_json_and_masked():
    formatter = MaskingJsonFormatter(secrets=["hunter22"])
    entry = json.loads(formatter.format(record("password=%s", "hunter22")))
    assert entry["message"] == "password=***"
    assert entry["level"] == "INFO"


def test_the_log_file_rotates(tmp_path):
    handler = configuration(tmp_path, level="INFO", as_json=False, secrets=[])["handlers"]["file"]
    assert handler["maxBytes"] > 0
    assert handler["backupCount"] > 0
