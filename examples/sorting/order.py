"""Put n things in order by asking which of two comes first. This is the file that experiments change.

Every question costs. There is nothing else to learn the order from: the things themselves are not here.
"""

from collections.abc import Callable

SMALL = 16  # things; fewer than this are put in order by insertion, more are halved, 2 to 64
HALVING = 0  # insertion asks along the row (0) or halves it with each question (1), one of 0, 1


def order(n: int, before: Callable[[int, int], bool]) -> list[int]:
    """The numbers 0 to n-1 in the right order. `before(a, b)` asks whether a comes before b."""
    return sort(list(range(n)), before)


def sort(things: list[int], before: Callable[[int, int], bool]) -> list[int]:
    if len(things) < max(2, SMALL):
        return insertion(things, before)
    middle = len(things) // 2
    return merge(sort(things[:middle], before), sort(things[middle:], before), before)


def insertion(things: list[int], before: Callable[[int, int], bool]) -> list[int]:
    row: list[int] = []
    for thing in things:
        row.insert(place(thing, row, before), thing)
    return row


def place(thing: int, row: list[int], before: Callable[[int, int], bool]) -> int:
    low, high = 0, len(row)
    while low < high:
        middle = (low + high) // 2 if HALVING else high - 1
        if before(thing, row[middle]):
            high = middle
        else:
            low = middle + 1
    return low


def merge(left: list[int], right: list[int], before: Callable[[int, int], bool]) -> list[int]:
    merged: list[int] = []
    while left and right:
        merged.append(right.pop(0) if before(right[0], left[0]) else left.pop(0))
    return merged + left + right
