"""The doors: `ah` for agents, `agenthub` for operators, `autoresearch` for researchers. They alone
read the environment."""
