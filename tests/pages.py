"""Reading the console's pages as a browser would."""

import csv
import io
import re

from django.db import connections
from django.test.utils import CaptureQueriesContext

from rodcorp.databases.sides import active_alias


def records(response):
    """The rows a list shows on its page."""
    return [row.record for row in response.context["table"].page.object_list]


def csv_of(client, url):
    """What a list exports, a dictionary a row."""
    text = client.get(url).getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def queries(client, url):
    """How many a page takes, in the company's database and in this host's file."""
    with (
        CaptureQueriesContext(connections[active_alias()]) as company,
        CaptureQueriesContext(connections["local"]) as local,
    ):
        assert client.get(url).status_code == 200
    return len(company), len(local)


def orders(client, url):
    """By what a page's rows are sorted."""
    with CaptureQueriesContext(connections[active_alias()]) as asked:
        client.get(url)
    sorted_by = [query["sql"].partition("ORDER BY")[2] for query in asked]
    assert any(sorted_by)
    return sorted_by


def form_of(page, action=""):
    """The values a form of the page would send as it is, by its action's last word."""
    found = re.search(
        rf'<form[^>]*action="[^"]*{action}/?"[^>]*class="rc-form".*?</form>', page, re.S
    )
    form = found[0] if found else ""
    values = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        if name and name[1] != "csrfmiddlewaretoken":
            values[name[1]] = value[1] if value else ""
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        values[name] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea name="([^"]+)".*?>(.*?)</textarea>', form, re.S):
        values[name] = text.strip()
    return values


def escaped(text):
    """A text as a page shows it."""
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
