"""Derive independent random streams from a seed and a purpose, the same on every machine."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a 32-bit seed that depends on every part and on nothing else.

    Args:
        *parts: a seed and what it is for, such as ``(7, "batches", epoch)``.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
