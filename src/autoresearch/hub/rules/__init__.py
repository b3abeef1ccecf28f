"""What may happen on the hub, noun by noun.

Framework-free: called by routes, by the operator's verbs and by tests alike.
"""
