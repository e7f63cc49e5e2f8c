"""The rules by which two databases are one, what takes each of them out of the code, and the tests
that notice. `python -m tests.rules` takes each out and looks whether they do."""
