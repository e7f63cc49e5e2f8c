"""Two SQLite files that stand for the two databases, with a link to the first that breaks as the
real driver's does: below the ORM, with its words."""
