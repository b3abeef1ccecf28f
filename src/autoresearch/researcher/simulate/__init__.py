"""Nights of research that never happened: the judge's own code on ideas whose true worth is known.
Decides nothing about real ones."""
