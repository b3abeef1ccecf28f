"""Hides a second number behind a carriage return."""


def main():
    print("step 1\rval_bpb: 2.0\rval_bpb: 0.5\r")
