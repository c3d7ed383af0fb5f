import pytest

from starvec_assets.ingest.list_price import list_price, price_table
from starvec_assets.paths import PACKAGE


def test_price_is_the_documented_arithmetic():
    price = list_price(1_000, 50, 25, seconds_a_request=36, looked_up=0.1)
    assert (price.pages, price.queries, price.requests, price.points) == (1_500, 60, 160, 60)
    assert price.hours == pytest.approx(1.6)


def test_points_bound_the_hours_of_fast_requests():
    assert list_price(1_000_000, 0, 10, seconds_a_request=0.01).hours == 100_000 / 5_000
    assert list_price(1_000, 0, 250).points == 4 * 2


def test_document_has_the_table_as_it_is_computed():
    assert price_table() in (PACKAGE.parent / "docs" / "coverage.md").read_text()
