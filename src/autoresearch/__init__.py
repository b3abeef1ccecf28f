"""Autonomous research by swarms of agents: a lab, a researcher, a hub."""

__version__ = "0.1.0"
