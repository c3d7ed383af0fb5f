from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.people_by_description import System, Topics, precision, relevant_people, score_people
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows

N, TOPICS, PEOPLE = 200, 4, 48


def repositories() -> Matrix:
    """Rows around the axis of one of four topics each."""
    noise = np.random.default_rng(0).standard_normal((N, 8))
    return unit_rows(np.eye(8)[np.arange(N) % TOPICS] + 0.1 * noise)


def topics() -> Topics:
    return Topics.of({f"o/awesome-topic{i}": np.arange(i, N, TOPICS, dtype=np.int32) for i in range(TOPICS)})


def people() -> tuple[RaggedArray, RaggedArray]:
    """Stars of people who each have one main topic, three quarters of their stars, and another."""
    rng = np.random.default_rng(1)
    buckets: list[list[np.ndarray]] = [[], []]
    for person in range(PEOPLE):
        for bucket in buckets:
            main = rng.choice(np.arange(person % TOPICS, N, TOPICS), 12, replace=False)
            other = rng.choice(np.arange((person + 1) % TOPICS, N, TOPICS), 4, replace=False)
            bucket.append(np.concatenate([main, other]).astype(np.int32))
    return RaggedArray.of(buckets[0]), RaggedArray.of(buckets[1])


def test_people_who_star_a_topic_are_found_by_its_description():
    directions = np.eye(8, dtype=np.float32)[:TOPICS]
    systems = {
        "trained": System(repositories(), directions),
        "wrong": System(repositories(), np.roll(directions, 2, 0)),
    }
    sample = score_people(systems, topics(), people(), np.ones(N, int))
    assert set(sample.scores["trained"]) == {f"people_{rule}precision_10" for rule in ("", "stars_", "mean_")}
    for right, wrong in zip(sample.scores["trained"].values(), sample.scores["wrong"].values(), strict=True):
        assert right.shape == (TOPICS,)
        assert (right > 0.7).all(), "the ten of twelve people are a random ten where shares are equal"
        assert not wrong.any()


def test_topics_with_fewer_than_ten_such_people_are_not_asked():
    one_topic = RaggedArray.of([[0, 4, 8]] * 10)
    sample = score_people(
        {"trained": System(repositories(), np.eye(8, dtype=np.float32)[:TOPICS])},
        topics(),
        (one_topic, one_topic),
        np.ones(N, int),
    )
    assert sample.scores["trained"]["people_precision_10"].tolist() == [1.0]
    few = score_people(
        {"trained": System(repositories(), np.eye(8)[:TOPICS])}, topics(), (one_topic.first(9),) * 2, np.ones(N)
    )
    assert few.scores == {"trained": {}}


def test_relevant_are_those_with_the_largest_shares():
    stars = RaggedArray.of([[0, 1], [0], [1], *[[0, 1, 2, 3]] * 9])
    found = relevant_people(topics(), stars, N)
    assert np.flatnonzero(found[:, 0]).tolist() == [0, 1, *range(3, 11)]
    assert np.flatnonzero(found[:, 3]).tolist() == list(range(3, 12)), "nine people have any"


def test_precision_counts_the_ten_nearest():
    closeness = np.arange(20, 0, -1.0)[:, None]
    relevant = (np.arange(20) % 2 == 0)[:, None]
    assert precision(closeness, relevant) == pytest.approx([0.5])


def test_topics_are_lists_with_enough_known_repositories(tmp_path: Path):
    ids = np.arange(1000, 1000 + N)
    rows = [("o/awesome-rust", int(i)) for i in (*ids[:25], ids[0], 5)] + [("o/awesome-go", int(i)) for i in ids[:24]]
    rows += [("o/awesome", int(i)) for i in ids[:30]]
    pq.write_table(
        pa.table({"list": [r[0] for r in rows], "repo_id": [r[1] for r in rows]}), tmp_path / "entries.parquet"
    )
    found = Topics.load(tmp_path / "entries.parquet", ids)
    assert found.texts == ["rust"]
    assert found.members[0].tolist() == list(range(25))
