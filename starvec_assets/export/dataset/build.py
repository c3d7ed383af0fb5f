"""Builds dataset_release: the folder that is published, with its card, its description and its checksums."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.export.dataset import score
from starvec_assets.export.dataset.card import coverage_table, heldout_table, render_card, size_category
from starvec_assets.export.dataset.co_stars import CO_STARS, LEAST_PEOPLE, co_star_pairs
from starvec_assets.export.dataset.croissant import write_croissant
from starvec_assets.export.dataset.tables import (
    GROUPS,
    NEIGHBOURS,
    REPOSITORIES,
    groups_table,
    neighbours_table,
    repositories_table,
    write_monthly_stars,
    write_vectors,
)
from starvec_assets.export.fp16 import VECTORS, count_placed, read_matrix, read_repositories
from starvec_assets.files import sha256
from starvec_assets.ingest.capture import counted_months
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table
from starvec_assets.parquet import write_table
from starvec_assets.trends.tables import MONTHS

CHECKSUMS = "SHA256SUMS"
LICENCE, LICENCE_URL = "cc-by-4.0", "https://spdx.org/licenses/CC-BY-4.0.html"
TITLE = "starvec: vectors of GitHub repositories"
FILES = {
    "repositories.parquet": "names, facts, stars, place and clusters on the map, marks",
    "vectors.safetensors": "the vectors as float16 [repositories, dimensions], and repo_ids",
    "vectors.parquet": "the same numbers as lists of float32 of one size",
    "neighbours.parquet": "the 50 nearest repositories of each, by cosine",
    "co_stars.parquet": f"pairs of repositories and how many people starred both, {LEAST_PEOPLE} or more",
    "monthly_stars.parquet": "stars of each repository by month, and the share of the month's stars that was seen",
    "months.parquet": "the months: stars of all repositories, and why a month is a gap",
    "groups.parquet": "sections of awesome lists, the benchmark's groups, with fixed splits",
    "score.py": "prints the benchmark's table",
}


class DatasetSettings(Settings):
    """What the dataset holds."""

    co_stars: int = Field(
        50, ge=0, le=1_000, description="pairs starred by the same people that are kept of each repository, at most"
    )


@dataclass(frozen=True)
class DatasetInputs:
    """Folders of the artifacts that the dataset is made from."""

    fp16_export: Path
    repo_catalog: Path
    repository_map: Path
    trends: Path
    evaluation: Path
    awesome_lists: Path
    star_log: Path
    star_history: Path
    user_buckets: Path


@dataclass(frozen=True)
class DatasetSummary:
    """`rows` by file; `scores` is the table of the benchmark."""

    repositories: int
    d: int
    rows: dict[str, int]
    scores: score.Scores


def disk_bytes(repositories: int, d: int, co_stars: int) -> int:
    """Estimate the bytes of a release: vectors twice, and of each repository neighbours, pairs, months and facts."""
    return repositories * (2 * d + 3 * d + 400 + 6 * co_stars + 1_000)


def build_dataset(
    inputs: DatasetInputs,
    about: Mapping[str, Any],
    settings: DatasetSettings,
    out: Path,
    removed: Collection[str] = (),
) -> DatasetSummary:
    """Write the dataset into the empty folder `out`; equal inputs give equal bytes.

    `about` has what manifests say: `sources` of the stars, whether they are `simulated`, `settings` of the corpus and
    the training, `inputs` (content hash by asset), `gate_failures` that were overridden; and the publisher's `contact`
    and `homepage`, "" where there is none. `removed` are repositories to leave out, by number or owner/name.
    Raises StarvecError when the inputs do not fit together.
    """
    exported = read_repositories(inputs.fp16_export)
    corpus = Corpus.load(inputs.user_buckets)
    if not np.array_equal(corpus.repo_ids, exported["repo_id"].to_numpy()[: corpus.n]):
        raise StarvecError("fp16_export has other repositories than user_buckets: materialize it again")
    names, numbers = exported["name"].to_pylist(), exported["repo_id"].to_pylist()
    removed = {repository.lower() for repository in removed}
    stays = np.array([not {name.lower(), str(number)} & removed for name, number in zip(names, numbers, strict=True)])
    export, half = exported.filter(stays), read_matrix(inputs.fp16_export / VECTORS, len(exported))[stays]
    ids = export["repo_id"].combine_chunks()

    stars_in_corpus = np.bincount(corpus.lists.items, minlength=corpus.n)[stays[: corpus.n]]
    catalogue = RepoCatalog.load(inputs.repo_catalog)
    repositories = repositories_table(export, catalogue, inputs.repository_map, stars_in_corpus)
    write_table(repositories, REPOSITORIES, out / "repositories.parquet")
    write_vectors(half, export["repo_id"], out)
    write_table(neighbours_table(half.astype(np.float32), ids.to_numpy()), NEIGHBOURS, out / "neighbours.parquet")
    pairs, people = co_star_pairs(corpus.lists, corpus.n, settings.co_stars)
    stay = stays[pairs].all(axis=1)
    columns = [*corpus.repo_ids[pairs[stay]].T, people[stay]]
    write_table(pa.table(columns, names=CO_STARS.names), CO_STARS, out / "co_stars.parquet")
    write_monthly_stars(inputs.trends, ids, out / "monthly_stars.parquet")
    write_table(pq.read_table(inputs.trends / "months.parquet"), MONTHS, out / "months.parquet")
    groups = groups_table(inputs.awesome_lists / "groups.parquet", ids, removed)
    write_table(groups, GROUPS, out / "groups.parquet")
    shutil.copyfile(score.__file__, out / "score.py")

    rows = {path.name: pq.read_metadata(path).num_rows for path in sorted(out.glob("*.parquet"))}
    summary = DatasetSummary(len(export), half.shape[1], rows, score.score(out))
    months = counted_months(inputs.star_history)
    facts = _card_facts(inputs, about, settings, summary, months) | {
        "files": [{"name": name} for name in FILES],
        "placed": f"{count_placed(export):,}",
        "people": f"{len(corpus.lists):,}",
        "heldout": f"{len(corpus.heldout_a):,}",
    }
    (out / "README.md").write_text(render_card(facts), encoding="utf-8")
    write_croissant(out, _croissant_facts(facts, about["homepage"], months))
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    return summary


def dataset_metadata(summary: DatasetSummary, folder: Path, gate_failures: Sequence[str]) -> Metadata:
    """Return what the UI shows of dataset_release in `folder`."""
    sizes = [[path.name, summary.rows.get(path.name, ""), path.stat().st_size] for path in sorted(folder.iterdir())]
    scores = [[name, split, *own.values()] for (name, split), own in summary.scores.items()]
    return {
        "repositories": summary.repositories,
        "dimensions": summary.d,
        "gate": "failed, overridden" if gate_failures else "passed",
        "files": markdown_table(["file", "rows", "bytes"], sizes),
        "benchmark": markdown_table(["system", "split", "queries", "NDCG@10", "NDCG@100"], scores),
        "publish it": "starvec dataset --to DIR [--push OWNER/NAME]",
    }


def _card_facts(
    inputs: DatasetInputs,
    about: Mapping[str, Any],
    settings: DatasetSettings,
    summary: DatasetSummary,
    months: Sequence[str],
) -> dict[str, Any]:
    files = [[name, summary.rows.get(name, ""), what] for name, what in FILES.items()]
    return {
        "title": TITLE,
        "licence": LICENCE,
        "repositories": f"{summary.repositories:,}",
        "d": summary.d,
        "size_category": size_category(summary.repositories),
        "first_month": min(months, default="no month"),
        "last_month": max(months, default="no month"),
        "simulated": about["simulated"],
        "gate_failures": about["gate_failures"],
        "sources": ", ".join(about["sources"]),
        "settings": about["settings"] | {"co_stars": settings.co_stars},
        "inputs": ", ".join(f"{asset} {content_hash[:12]}" for asset, content_hash in about["inputs"].items()),
        "least_people": LEAST_PEOPLE,
        "contact": about["contact"] or "write to whoever published this dataset, at the place where you found it",
        "files_table": markdown_table(["file", "rows", "content"], files, max_characters=200),
        "coverage_table": coverage_table(inputs.star_log, inputs.star_history),
        "groups_table": "\n".join(score.format_table(summary.scores)),
        "heldout_table": heldout_table(Evaluation.load(inputs.evaluation)),
    }


def _croissant_facts(facts: Mapping[str, Any], homepage: str, months: Sequence[str]) -> dict[str, Any]:
    """Return the facts of croissant.json; it is dated by its data, so that equal data give equal bytes."""
    first, last = min(months, default="1970-01"), max(months, default="1970-01")
    year, month = map(int, last.split("-"))
    after = f"{year + month // 12}-{month % 12 + 1:02}-01"
    simulated = " The stargazers are simulated." if facts["simulated"] else ""
    return {
        "name": "starvec",
        "description": f"{facts['repositories']} GitHub repositories as vectors of {facts['d']} dimensions, learned "
        f"from who starred what, with facts, a map, neighbours, stars by month and co-star pairs.{simulated}",
        "license": LICENCE_URL,
        "url": homepage or "README.md",
        "version": f"{year}.{month}.0",
        "datePublished": after,
        "temporalCoverage": f"{first}/{last}",
        "creator": {"@type": "sc:Organization", "name": "starvec"},
        "citeAs": f"starvec, vectors of GitHub repositories, stars until {last}. Based on GH Archive.",
        "isLiveDataset": False,
        "rai:dataCollection": f"Public stars: {facts['sources']}.",
        "rai:personalSensitiveInformation": "None: rows are repositories. Owners in their names may be people.",
    }
