"""Roots and proofs of Merkle trees, beside the definition of RFC 9162 written out plainly."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch import merkle

# root, audit path and consistency proof as RFC 9162 (2.1.5) names them for seven leaves
LEAVES = [b"d%d" % number for number in range(7)]


def h(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


A, B, C, D, E, F, J = (h(b"\0", leaf) for leaf in LEAVES)
G, H, I = h(b"\1", A, B), h(b"\1", C, D), h(b"\1", E, F)  # noqa: E741  (the RFC's names)
K, L = h(b"\1", G, H), h(b"\1", I, J)
ROOT = h(b"\1", K, L)


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of the RFC, word for word."""
    if not leaves:
        return h(b"")
    if len(leaves) == 1:
        return h(b"\0", leaves[0])
    k = split(len(leaves))
    return h(b"\1", plain_root(leaves[:k]), plain_root(leaves[k:]))


def plain_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of the RFC."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*plain_path(m, leaves[:k]), plain_root(leaves[k:])]
    return [*plain_path(m - k, leaves[k:]), plain_root(leaves[:k])]


def plain_proof(m: int, leaves: list[bytes], is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of the RFC."""
    if m == len(leaves):
        return [] if is_whole else [plain_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*plain_proof(m, leaves[:k], is_whole), plain_root(leaves[k:])]
    return [*plain_proof(m - k, leaves[k:], False), plain_root(leaves[:k])]


def split(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def store(leaves: list[bytes]) -> tuple[merkle.Frontier, dict[tuple[int, int], bytes]]:
    """A tree grown leaf by leaf, and the perfect trees that it completed."""
    frontier, trees = merkle.Frontier(), dict[tuple[int, int], bytes]()
    for number, leaf in enumerate(leaves):
        for height, found in enumerate(frontier.append(merkle.hash_leaf(leaf))):
            trees[height, number >> height] = found
            assert merkle.last_leaf_of(height, number >> height) == number
    return frontier, trees


def test_the_tree_of_the_rfc() -> None:
    """Seven leaves: root, audit paths and consistency proofs are those that the RFC names."""
    frontier, trees = store(LEAVES)
    tree = lambda height, place: trees[height, place]  # noqa: E731

    assert frontier.root() == ROOT and merkle.Frontier().root() == h(b"")
    assert merkle.prove_inclusion(tree, 0, 7) == [B, H, L]
    assert merkle.prove_inclusion(tree, 3, 7) == [C, G, L]
    assert merkle.prove_inclusion(tree, 4, 7) == [F, J, K]
    assert merkle.prove_inclusion(tree, 6, 7) == [I, K]
    assert merkle.prove_consistency(tree, 3, 7) == [C, D, G, L]
    assert merkle.prove_consistency(tree, 4, 7) == [L]
    assert merkle.prove_consistency(tree, 6, 7) == [I, J, K]


texts = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


@settings(max_examples=80, deadline=None)
@given(texts, st.data())
def test_roots_and_proofs_are_those_of_the_plain_definition(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """Whatever the size: the same root and the same proofs, which verify."""
    frontier, trees = store(leaves)
    tree = lambda height, place: trees[height, place]  # noqa: E731
    size = data.draw(st.integers(1, len(leaves)))
    number = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    root = plain_root(leaves[:size])

    assert frontier.root() == plain_root(leaves)
    path = merkle.prove_inclusion(tree, number, size)
    assert path == plain_path(number, leaves[:size])
    assert merkle.is_included(merkle.hash_leaf(leaves[number]), number, size, path, root)
    proof = merkle.prove_consistency(tree, old, size)
    assert proof == plain_proof(old, leaves[:size])
    assert merkle.is_consistent(old, plain_root(leaves[:old]), size, root, proof)
    resumed = merkle.Frontier(old, {height: trees[height, at] for height, at in peaks(old)})
    for leaf in leaves[old:size]:
        resumed.append(merkle.hash_leaf(leaf))
    assert resumed.root() == root


def peaks(size: int) -> list[tuple[int, int]]:
    return merkle.list_peaks(size)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 40), st.data())
def test_no_other_leaf_number_size_or_past_is_proved(size: int, data: st.DataObject) -> None:
    """A proof holds for its own leaf, place and trees, and for nothing else."""
    leaves = [b"%d" % number for number in range(size)]
    _, trees = store(leaves)
    tree = lambda height, place: trees[height, place]  # noqa: E731
    number, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    root, path = plain_root(leaves), merkle.prove_inclusion(tree, number, size)
    hashed = merkle.hash_leaf(leaves[number])
    proof = merkle.prove_consistency(tree, old, size)
    edited = [*leaves[: old - 1], b"edited"]

    assert not merkle.is_included(merkle.hash_leaf(b"edited"), number, size, path, root)
    assert not merkle.is_included(hashed, (number + 1) % size, size, path, root)
    assert not merkle.is_included(hashed, number, size, path[1:], root)
    assert not merkle.is_included(hashed, number, size, [*path, root], root)
    assert not merkle.is_consistent(old, plain_root(edited), size, root, proof)
    assert not merkle.is_consistent(old, plain_root(leaves[:old]), size, root, [])
    assert not merkle.is_consistent(size, root, old, plain_root(leaves[:old]), proof)


@pytest.mark.parametrize("number", [-1, 1, 5])
def test_a_leaf_outside_the_tree_is_not_in_it(number: int) -> None:
    leaf = merkle.hash_leaf(b"one")
    assert not merkle.is_included(leaf, number, 1, [], leaf)
