"""Durations of answers, which are seconds, as whole numbers of a part of a second."""

from __future__ import annotations


def parts_of(seconds: float, per_s: int) -> int:
    """Returns a duration as a number of parts of a second, of which a second has `per_s`.

    The seconds are exactly those that the number gives when it is divided: a product of floats would be another number
    if the duration is long. Raises `ValueError` if there is no such number, and `OverflowError` if it is infinite.
    """
    above, below = seconds.as_integer_ratio()
    count = (2 * above * per_s + below) // (2 * below)
    if count / per_s != seconds:
        raise ValueError(f"{seconds} s have no whole number of parts of which a second has {per_s}")
    return count
