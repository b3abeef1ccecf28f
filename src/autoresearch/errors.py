"""The error tree of the project. Raised where things go wrong, turned into a status or an exit
code only at the door.

AutoresearchError     a sentence for a person, with what to do
├── BadInput          what was given cannot be used                HTTP 400  exit 2
│   ├── BadBundle     a git bundle that is refused                 HTTP 400
│   └── BadWorkspace  a repository no experiment can run in                  exit 2
├── Unauthorized      no key, or a wrong one                       HTTP 401  exit 3
├── Forbidden         a right key that may not do this             HTTP 403  exit 3
├── NotFound          no such commit, post, channel, agent         HTTP 404  exit 4
├── Conflict          taken, ambiguous, or a near-duplicate        HTTP 409  exit 5
├── TooLarge          over a stated limit                          HTTP 413  exit 2
├── RateLimited       try again after `retry_after_s`              HTTP 429  exit 6
├── HubUnavailable    the hub did not answer, or not in its words  HTTP 503  exit 7
├── StorageFull       the disk is full; nothing was stored         HTTP 507  exit 7
└── MissingTool       a program this needs is not installed                  exit 8
"""

from __future__ import annotations


class AutoresearchError(Exception):
    """Base of every error the project raises on purpose; its text is one clear sentence for a
    person."""

    status = 500
    exit_code = 1


class BadInput(AutoresearchError):
    status, exit_code = 400, 2


class BadBundle(BadInput):
    pass


class BadWorkspace(BadInput):
    pass


class Unauthorized(AutoresearchError):
    status, exit_code = 401, 3


class Forbidden(AutoresearchError):
    status, exit_code = 403, 3


class NotFound(AutoresearchError):
    status, exit_code = 404, 4


class Conflict(AutoresearchError):
    status, exit_code = 409, 5


class TooLarge(AutoresearchError):
    status, exit_code = 413, 2


class RateLimited(AutoresearchError):
    status, exit_code = 429, 6

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HubUnavailable(AutoresearchError):
    status, exit_code = 503, 7


class StorageFull(AutoresearchError):
    status, exit_code = 507, 7


class MissingTool(AutoresearchError):
    status, exit_code = 500, 8
