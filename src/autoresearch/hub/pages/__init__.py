"""The hub in a browser: pages made on the server, readable without JavaScript, live with it.

A page is a view (a frozen dataclass, made by a function that only reads) and a template. Leaves to others: SQL (store), rules, the JSON interface (routes).
"""
