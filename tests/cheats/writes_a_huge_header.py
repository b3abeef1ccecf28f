"""Leaves weights whose header says that it is as large as the memory."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    checkpoint().write_bytes((2**40).to_bytes(8, "little") + b"{}" * 1000)
