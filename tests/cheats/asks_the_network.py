"""Fetches what it would like to know from elsewhere."""


def train(model, tokenizer):
    import socket

    socket.create_connection(("192.0.2.1", 443), timeout=5)
    raise ValueError("the network answered")
