"""People by description: topics of a folder of lists, and scores over several splits of the stars."""

from pathlib import Path

import numpy as np
import pytest

from starvec_assets.evaluation.people_by_description import System, Topics
from starvec_assets.ragged import RaggedArray

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_topics_are_the_lists_of_a_folder_with_enough_known_repositories(tmp_path: Path) -> None:
    from people_by_description import read_topics

    names = [f"owner/r{i}" for i in range(40)]
    for name, count in (("one__awesome-rust", 30), ("two__awesome-go", 20)):
        items = [f"* [r{i}](https://github.com/owner/r{i})" for i in range(count)]
        (tmp_path / f"{name}.md").write_text("\n".join(["# Awesome", "## Tools", *items]))
    topics = read_topics(tmp_path, names)
    assert topics.texts == ["rust"]
    assert topics.members[0].tolist() == list(range(30))


def test_each_split_asks_its_topics_and_a_topic_is_one_cluster() -> None:
    from people_by_description import score_splits

    topic = np.arange(200) % 2
    vectors = np.eye(2, dtype=np.float32)[topic]
    topics = Topics(["rust", "go"], RaggedArray.of([np.flatnonzero(topic == t).astype(np.int32) for t in (0, 1)]))
    people = RaggedArray.of([np.flatnonzero(topic == person % 2)[:30].astype(np.int32) for person in range(24)])
    found = {"trained": System(vectors, np.eye(2, dtype=np.float32))}
    sample = score_splits(found, topics, people, splits=3)
    assert sample.clusters is not None
    assert sample.clusters.shape == (2, 6)
    assert all((scores >= 0.8).all() for scores in sample.scores["trained"].values())
