"""A dial between repositories that the same people star and those of the same purpose.

Vectors are trained on stars and text, and hold some of both. A second matrix has the text alone. Neighbours are ranked
by (cos(vectors) + w cos(text)) / (1 + w): w = 0, the middle of the dial, is the order of the vectors themselves;
w > 0 asks for the same purpose; w < 0 discounts what is alike by its text, which leaves what the same people star.
"""

from starvec_assets.errors import StarvecError

TEXT_WEIGHTS: dict[str, float] = {"same_people": -0.1, "same_purpose": 0.4}
"""Weights w at the ends of the dial, as the page reads them.

Measured by benchmarks/purpose_dial.py: at one end awesome lists score highest, at the other what people star
together."""


def text_weight(purpose: float) -> float:
    """Return w at `purpose`, the position of the dial: from -1, same people, to 1, same purpose.

    Raises StarvecError beyond its ends.
    """
    if not -1 <= purpose <= 1:
        raise StarvecError(f"purpose is {purpose}: it goes from -1, same people, to 1, same purpose")
    return abs(purpose) * TEXT_WEIGHTS["same_purpose" if purpose >= 0 else "same_people"]
