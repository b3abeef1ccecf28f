"""How the tables came to be, step by step (Alembic).

Applied by `hub.store.migrate` when a hub starts on an older database. Each step works on SQLite
and, from 0008 on, on PostgreSQL, whose first databases are those of 0007; columns of text are of
`store.schema.Text` there.
"""
