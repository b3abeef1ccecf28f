"""Counts the questions that order.py asks, and checks its answers. FIXED: experiments do not change it.

    python judge.py

order.py runs in a process of its own that is told nothing but how many things there are and the answers to its questions: the
order is drawn here, from the system's randomness, and never leaves this process. So the only way to a better number is to ask
better questions. Prints `questions_ratio`: questions asked over log2(n!), the number that no method can beat on average: 1 is the limit.
"""

import math
import os
import random
import subprocess
import sys

LISTS, THINGS = 100, 64
MOST_QUESTIONS = THINGS * THINGS  # for one list; asking on is no method


def main() -> None:
    player = subprocess.Popen(
        [sys.executable, "-u", __file__, "player"],  # what it prints is seen though it is ended
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with player:
        questions = sum(one_list(player) for _ in range(LISTS))
        player.kill()
    limit = LISTS * math.lgamma(THINGS + 1) / math.log(2)
    print("---")
    print(f"questions_ratio:  {questions / limit:.6f}")
    print(f"questions:        {questions}")
    print(f"lists:            {LISTS}")


def one_list(player: "subprocess.Popen[str]") -> int:
    """Play one list; returns the questions asked. Ends the program where the answer is wrong."""
    rank = list(range(THINGS))
    random.SystemRandom().shuffle(rank)
    say(player, str(THINGS))
    for questions in range(MOST_QUESTIONS + 1):
        words = hear(player)
        if words[:1] == ["?"]:
            a, b = numbers(words[1:], 2)
            say(player, "1" if rank[a] < rank[b] else "0")
        elif words[:1] == ["!"]:
            answer = numbers(words[1:], THINGS)
            if [rank[thing] for thing in answer] != list(range(THINGS)):
                sys.exit("FAIL: order.py put a list in the wrong order")
            return questions
        else:
            sys.exit("FAIL: order.py ended before it had put every list in order")
    sys.exit(f"FAIL: order.py asked more than {MOST_QUESTIONS} questions about {THINGS} things")


def say(player: "subprocess.Popen[str]", text: str) -> None:
    try:
        print(text, file=player.stdin, flush=True)
    except BrokenPipeError:
        sys.exit("FAIL: order.py ended before it had put every list in order")


def hear(player: "subprocess.Popen[str]") -> list[str]:
    line = player.stdout.readline(20 * THINGS) if player.stdout else ""
    return line.split()


def numbers(words: list[str], count: int) -> list[int]:
    """Exactly `count` numbers of things, or the end of the program."""
    found = [int(word) for word in words if word.isdigit() and len(word) < 9 and int(word) < THINGS]
    if len(found) != count or len(words) != count:
        sys.exit(
            f"FAIL: order.py had to name {count} of the things 0 to {THINGS - 1}, and said {' '.join(words)[:80]!r}"
        )
    return found


def play() -> None:
    """The player's process: lets order.py ask through the two pipes. What order.py prints itself goes to standard error."""
    to_judge = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from order import order

    def before(a: int, b: int) -> bool:
        print("?", a, b, file=to_judge, flush=True)
        return sys.stdin.readline().strip() == "1"

    for line in sys.stdin:
        print("!", *order(int(line), before), file=to_judge, flush=True)


if __name__ == "__main__":
    play() if sys.argv[1:] == ["player"] else main()
