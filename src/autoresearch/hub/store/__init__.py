"""Everything the hub keeps, in one database.

SQL lives here and nowhere else; rules are elsewhere.
"""
