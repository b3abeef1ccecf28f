"""Errors that end a program of the lab with a sentence."""


class PrepareError(Exception):
    """A person can mend it; the message is a sentence that says how. Ends with exit code 1."""


class EvaluationError(PrepareError):
    """The model cannot be scored: wrong shape, NaN, or answers that use what they must not."""


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
