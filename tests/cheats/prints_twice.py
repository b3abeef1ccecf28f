"""Prints a better number after the one it has, hoping that the last one counts."""


def main():
    print("val_bpb: 2.000000")
    print("val_bpb: 0.500000")
