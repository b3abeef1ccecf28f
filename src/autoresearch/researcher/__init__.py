"""The researcher: drives an agent through experiments, judges them and keeps the ledger. Knows
nothing of the hub's server."""
