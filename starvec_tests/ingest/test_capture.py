"""Which months count as months of stars: by GitHub's counts, and as estimated from the log itself."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.calendar import parse_months
from starvec_assets.ingest.capture import (
    CAPTURE,
    CLAIMS,
    GITHUB,
    LOG,
    NONE,
    Measured,
    capture_metadata,
    capture_table,
    counted_months,
    describe_newest_month,
    first_uncounted_month,
    measure_shares,
    outdated_claims,
)
from starvec_assets.parquet import write_table
from starvec_assets.paths import PACKAGE

LEAST = 0.3


def archive_like(first: str = "2015-01", last: str = "2025-12", seed: int = 0) -> dict[str, int]:
    """Stars by month as the archive had them: a million in 2015, nine times as many ten years later, uneven."""
    months = parse_months(f"{first}..{last}")
    rng = np.random.default_rng(seed)
    trend = 1e6 * 9 ** (np.array([int(m[:4]) - 2015 + (int(m[5:]) - 1) / 12 for m in months]) / 10)
    season = np.array([0.85 if m.endswith("-12") else 1.0 for m in months])
    return dict(zip(months, (trend * season * rng.uniform(0.75, 1.25, len(months))).astype(int).tolist(), strict=True))


def uncounted(stars: dict[str, int]) -> list[str]:
    return [row["month"] for row in capture_table(stars, {}, LEAST).to_pylist() if not row["counts"]]


def save(folder: Path, stars: dict[str, int], measured: dict[str, Measured]) -> Path:
    write_table(capture_table(stars, measured, LEAST), CAPTURE, folder / "capture.parquet")
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_ups_and_downs_of_ten_years_all_count(seed: int):
    stars = archive_like(seed=seed)
    stars["2020-08"] = int(stars["2020-08"] * 28 / 31)  # three days of 0 bytes
    stars["2025-10"] = int(stars["2025-10"] * 25 / 31 * 0.6)  # days of 1 %, in a month that lost more
    assert uncounted(stars) == []


def test_months_of_one_percent_never_count_however_many_follow_each_other():
    stars = archive_like()
    lost = parse_months("2026-02..2028-12")
    stars |= {"2026-01": stars["2025-01"] // 2} | dict.fromkeys(lost, 90_000)
    assert uncounted(stars) == lost


def test_a_slow_loss_is_seen_once_it_is_under_the_least():
    whole, falling = dict.fromkeys(parse_months("2024-01..2024-12"), 1_000), parse_months("2025-01..2026-12")
    stars = whole | {month: int(1_000 * 0.9**i) for i, month in enumerate(falling)}
    assert uncounted(stars) == [month for month in falling if stars[month] < 300]


def test_a_month_whole_again_counts_again():
    stars = archive_like("2024-01", "2025-12") | {"2026-01": 50_000, "2026-02": 9_000_000}
    assert uncounted(stars) == ["2026-01"]


@pytest.mark.parametrize("stars", [[100], [100, 1], [100, 90, 1], [0, 0, 0, 0, 5]], ids=["1", "2", "3", "zeros"])
def test_a_log_too_short_to_compare_counts_whole(stars: list[int]):
    months = parse_months("2024-01..2024-12")
    table = capture_table(dict(zip(months, stars, strict=False)), {}, LEAST)
    assert table["basis"].to_pylist() == [NONE] * len(stars)
    assert table["counts"].to_pylist() == [True] * len(stars)
    assert table["share"].null_count == len(stars)


def test_githubs_counts_decide_before_the_estimate():
    stars = dict.fromkeys(parse_months("2026-01..2026-05"), 1_000)
    measured = {"2026-01": Measured(5_000, 100, 50, 0.01, 0.03), "2026-05": Measured(200, 180, 50, 0.8, 0.97)}
    rows = {row["month"]: row for row in capture_table(stars | {"2026-05": 10}, measured, LEAST).to_pylist()}
    assert (rows["2026-01"]["basis"], rows["2026-01"]["share"], rows["2026-01"]["counts"]) == (GITHUB, 0.02, False)
    assert (rows["2026-01"]["github"], rows["2026-01"]["in_log"], rows["2026-01"]["repositories"]) == (5_000, 100, 50)
    assert rows["2026-05"]["counts"], "ten stars, as GitHub counts few"
    assert rows["2026-04"]["basis"] == NONE, "the first month does not count, so two are left to compare with"


def test_an_estimate_is_marked_and_has_no_interval():
    rows = capture_table(archive_like("2024-01", "2024-06"), {}, LEAST).to_pylist()
    assert [row["basis"] for row in rows] == [NONE] * 3 + [LOG] * 3
    assert all(row["low"] is row["high"] is row["github"] is None for row in rows)


def test_the_interval_holds_the_true_share_nineteen_times_in_twenty():
    rng, n, held = np.random.default_rng(1), 400, []
    for trial in range(60):
        of_repo = rng.beta(2, 6, n)  # repositories differ in what the archive has of them; the mean is a quarter
        github = rng.poisson(rng.pareto(1.5, n) * 20 + 5)[:, None]
        in_log = rng.binomial(github, of_repo[:, None])
        [month] = measure_shares(github, in_log, np.ones_like(github, bool), seed=trial)
        assert month
        assert month.low < month.share < month.high
        held.append(month.low <= 0.25 <= month.high)
    assert 0.8 < np.mean(held) <= 1


def test_shares_are_of_the_repositories_known_in_that_month_and_reproducible():
    rng = np.random.default_rng(0)
    github = rng.integers(10, 100, (40, 2))
    covered = np.ones_like(github, bool)
    covered[20:, 0] = False
    first, second = measure_shares(github, github // 2, covered)
    assert first
    assert second
    assert (first.repositories, second.repositories) == (20, 40)
    assert first.github == github[:20, 0].sum()
    assert measure_shares(github, github // 2, covered) == [first, second]


@pytest.mark.parametrize(("repositories", "stars"), [(9, 1_000), (50, 1), (0, 0)])
def test_too_few_repositories_or_stars_measure_nothing(repositories: int, stars: int):
    counts = np.full((repositories, 3), stars)
    assert measure_shares(counts, counts, np.ones_like(counts, bool)) == [None] * 3


def test_readers_learn_which_months_count(tmp_path: Path):
    stars = archive_like("2025-06", "2025-12") | {"2026-01": 90_000, "2026-02": 7_000_000, "2026-03": 80_000}
    folder = save(tmp_path, stars, {})
    assert counted_months(folder) == [*parse_months("2025-06..2025-12"), "2026-02"]
    assert first_uncounted_month(folder) == "2026-01"
    assert first_uncounted_month(save(tmp_path, archive_like("2025-06", "2025-12"), {})) is None


def test_one_sentence_says_what_a_month_brings_and_what_it_cannot(tmp_path: Path):
    stars = archive_like("2025-06", "2025-12") | {"2026-01": 90_000}
    passed, sentence = describe_newest_month(save(tmp_path, stars, {}), LEAST, "no token in GITHUB_TOKEN")
    assert not passed
    assert sentence.startswith(
        "2026-01 brings names, descriptions and active people, but no stars, as the log has only"
    )
    assert "nobody is asked for theirs (no token in GITHUB_TOKEN), and without new stars the vectors stay" in sentence
    assert ". " not in sentence
    asked = describe_newest_month(tmp_path, LEAST, "")[1]
    assert "starred_lists asks people for theirs" in asked
    measured = {"2026-01": Measured(9_000, 8_550, 4_000, 0.94, 0.96)}
    passed, sentence = describe_newest_month(save(tmp_path, stars, measured), LEAST, "")
    assert passed
    assert sentence == "2026-01 counts: the log has 95 % of its stars, by GitHub's counts of 4,000 repositories"


def test_measurements_that_contradict_the_documents_are_said(tmp_path: Path):
    stars = dict.fromkeys(["2025-03", "2026-06"], 1_000)
    as_documented = {"2025-03": Measured(1_000, 970, 50, 0.95, 0.99), "2026-06": Measured(1_000, 10, 50, 0.0, 0.02)}
    assert outdated_claims(save(tmp_path, stars, as_documented)) == []
    otherwise = {"2025-03": Measured(1_000, 500, 50, 0.4, 0.6), "2026-06": Measured(1_000, 800, 50, 0.7, 0.9)}
    before, after = outdated_claims(save(tmp_path, stars, otherwise))
    assert before.startswith("the archive has 50 % of 2025-03's stars, docs/coverage.md says 95 to 100 %")
    assert after.startswith("the archive has 80 % of 2026-06's stars, docs/coverage.md says under 20 %")
    assert outdated_claims(save(tmp_path, stars, {})) == [], "an estimate proves nothing"


def test_the_documents_make_the_claims_that_are_checked():
    lines = (PACKAGE.parent / "docs/coverage.md").read_text().splitlines()
    for claim in CLAIMS:
        [line] = [line for line in lines if f"| {claim.text}" in line]
        assert line.endswith(f"| {claim.source} |")


def test_the_ui_shows_shares_and_months_that_do_not_count(tmp_path: Path):
    stars = archive_like("2025-06", "2025-12") | {"2026-01": 90_000, "2026-02": 90_000}
    folder = save(tmp_path, stars, {"2025-10": Measured(1_000, 700, 50, 0.6, 0.8)})
    shown = capture_metadata(folder, LEAST)
    assert str(shown["capture over the months"]).startswith(
        "![share of each month's stars that the log has](data:image"
    )
    assert "data:image/svg+xml" in str(shown["share by month"])
    assert shown["months that count"] == 7
    assert shown["months that do not count"] == "2026-01, 2026-02"
    table = str(shown["capture"])
    assert table.index("2026") < table.index("2025"), "newest first"
    assert pq.read_schema(folder / "capture.parquet").names == CAPTURE.names
