"""The space of a small home."""

from pathlib import Path

import pytest

import starvec_assets
from starvec_assets.space import Space


@pytest.fixture(scope="session")
def space(small_home: Path) -> Space:
    return starvec_assets.load(small_home)
