"""What follows from the ledger and from what was judged: balances, totals, standings and ratings.

The services keep these current in the unit that inserts a row. Here they are kept current when rows
arrive from the other database, and made anew.
"""
