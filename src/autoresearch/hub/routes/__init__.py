"""The hub over HTTP, noun by noun.

Handlers are thin: they read the request, call a rule, and hand out the answer.
"""
