"""The hub in a browser: pages made on the server, readable without JavaScript, live with it.

A page is values (read by the rules) and a template that shows them. Leaves to others: SQL (store),
decisions and reads (rules), the JSON interface (routes).
"""
