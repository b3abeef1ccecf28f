"""One call of `autoresearch run`: the loop, what it knows of its branch, and what it does next.

Imports agents, executors, the swarm and the judge; none of them imports it.
"""

from autoresearch.researcher.loop.loop import Loop, Options, Summary

__all__ = ["Loop", "Options", "Summary"]
