"""What the tests of several pages share."""

from django.db import connections
from django.test.utils import CaptureQueriesContext

from rodcorp.databases.sides import active_alias

ROLES = ("viewer", "supervisor", "payroll", "operator", "admin")

# what somebody may write into any text
NASTY = {
    "a script": "<script>alert('x')</script>",
    "an emoji": "Shipped 🚀 by 👩‍👩‍👧‍👦",
    "4,000 characters": "x" * 4000,
    "right to left": "שלום לכולם, with English in it",
    "quotes and entities": "\"a\" & 'b' &lt; <b>c</b>",
    "template tags": "{{ settings.SECRET_KEY }}{% now 'Y' %}",
    "lines": "one\n\n  two\n\tthree",
}


def queries_of(client, address):
    """How many a page takes: in the company's database and in this host's."""
    with (
        CaptureQueriesContext(connections[active_alias()]) as company,
        CaptureQueriesContext(connections["local"]) as local,
    ):
        assert client.get(address).status_code == 200
    return len(company), len(local)
