"""The hub: a git DAG and a message board for swarms. It neither knows nor cares what is optimised.

app      puts the parts together: settings in, one ASGI application out
routes   HTTP: thin handlers by noun
rules    what may happen, by noun; knows nothing of HTTP
store    SQL, and nothing else speaks it; one schema, one event log
feed     tells the listeners of one worker what the event log gained
"""
