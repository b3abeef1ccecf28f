"""The one owner of git. `repo` drives the git program; `bundle`, `pack` and `fsck` read its
formats as plain bytes.

Knows nothing of accounts, HTTP, SQL or experiments.
"""
