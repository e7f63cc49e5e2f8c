"""Keeping the two databases one: the copy is filled from the primary, and what was written to the
copy is brought home."""
