"""Agents: whatever turns a checkout of the best commit into an edited one. `base` says what an
agent is (one method)."""
