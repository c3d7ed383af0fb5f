"""What it costs to ask people for their lists of stars: requests, points of GitHub's limit, hours; all of it assumed.

GitHub's side is documented (docs.github.com, "Rate limits and query limits for the GraphQL API", read in 2026-11): a
query costs the connections it asks for, divided by 100 and rounded, 1 point at least, of 5,000 an hour. A list is one
connection of 100 stars. How many lists GitHub answers by one query, and how fast, is not documented.
"""

from dataclasses import dataclass

from starvec_assets.markdown import Markdown, markdown_table

PAGE, POINTS_PER_HOUR = 100, 5_000
SECONDS_A_REQUEST = 2.0  # assumed; GitHub ends a query after 10
LOOKED_UP = 0.02  # assumed share of people whose login is not found, and who are looked up by number
PEOPLE_A_QUERY = (10, 25, 50)  # assumed, on the mean of a run
STARS_EACH = {100_000: 200, 1_000_000: 60, 4_000_000: 25}
"""Stars of 18 months by number of people, assumed: 10,006 in a weekday hour of June 2024 (gh-pulse's ADR 0007) make
about 100 million; the first 100,000 people gave a fifth of them, the first million three fifths."""


@dataclass(frozen=True)
class ListPrice:
    """Requests, of them queries; points of the queries; hours of requests that follow one another."""

    pages: int
    queries: int
    requests: int
    points: int
    hours: float


def list_price(
    people: int,
    stars_each: float,
    people_a_query: int,
    seconds_a_request: float = SECONDS_A_REQUEST,
    looked_up: float = LOOKED_UP,
) -> ListPrice:
    """Return what it costs to read the lists of `people` who gave `stars_each` stars on average since the last time.

    A person with s stars needs s // 100 + 1 pages, the last of which shows an older star or the list's end; 1 + s / 100
    bounds their mean.
    """
    pages = round(people * (1 + stars_each / PAGE))
    queries = -(-pages // people_a_query)
    requests = queries + round(people * looked_up)
    points = queries * max(1, round(people_a_query / 100))
    hours = max(requests * seconds_a_request / 3_600, points / POINTS_PER_HOUR)
    return ListPrice(pages, queries, requests, points, hours)


def price_table() -> Markdown:
    """Return the table of docs/coverage.md: STARS_EACH by PEOPLE_A_QUERY."""
    header = ["people", "stars each", "pages", "people a query", "queries = points", "requests", "hours"]
    rows = []
    for people, stars_each in STARS_EACH.items():
        for people_a_query in PEOPLE_A_QUERY:
            price = list_price(people, stars_each, people_a_query)
            row = [people, stars_each, price.pages, people_a_query, price.queries, price.requests, round(price.hours)]
            rows.append(row)
    return markdown_table(header, rows)
