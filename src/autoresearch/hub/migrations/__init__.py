"""How the tables came to be, step by step (Alembic).

Applied by `hub.store.migrate` when a hub starts on an older database.
"""
