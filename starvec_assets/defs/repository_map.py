"""repository_map: the vocabulary on a plane."""

from collections import defaultdict

import dagster as dg
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.artifact_io import StoreResource, newest_of_other_vectors
from starvec_assets.evaluation.awesome.queries import list_topic
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.repository_map.build import MapBefore, MapSettings, build_repository_map, repository_map_metadata
from starvec_assets.store import Artifact, Draft
from starvec_assets.vectors import load_vectors


class RepositoryMapConfig(MapSettings, AssetConfig):
    """Parameters of the layout."""


@artifact_asset(group="map", kinds={"scikitlearn", "parquet"}, scores_first=True)
def repository_map(
    context: dg.AssetExecutionContext,
    config: RepositoryMapConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    user_buckets: Artifact,
    repo_catalog: Artifact,
    awesome_lists: Artifact,
    store: StoreResource,
) -> Output:
    """Every repository of the vocabulary on a plane, near ones together, with labelled clusters on three levels.

    t-SNE from exact neighbours. It begins at the newest map of other vectors and is turned back onto it, and clusters
    keep their ids, so that from month to month the map moves little; how much is in the metadata. Labels are compared
    with the topics of awesome lists.
    """
    corpus = Corpus.load(user_buckets.path)
    before = newest_of_other_vectors("repository_map", store.open(), trained_embeddings, context.log.warning)
    if before:
        draft.facts["begun_at"] = [before.manifest.version, before.content_hash]
    summary = build_repository_map(
        load_vectors(trained_embeddings.path),
        corpus,
        RepoCatalog.load(repo_catalog.path),
        draft.path,
        config,
        MapBefore.load(before.path) if before else None,
        _rows_by_topic(awesome_lists, corpus),
    )
    draft.rows = {"repositories": summary.repositories, "clusters": len(summary.clusters)}
    draft.facts |= summary.metrics
    for name, value in summary.metrics.items():
        context.log.info(f"{name} {value:.3f}")
    return Output(summary.repositories, repository_map_metadata(summary, draft.path))


def _rows_by_topic(awesome_lists: Artifact, corpus: Corpus) -> dict[str, list[int]]:
    """Return the vocabulary rows of each awesome list, by what its name says it is about."""
    rows: dict[str, set[int]] = defaultdict(set)
    table = pq.read_table(awesome_lists.path / "groups.parquet", columns=["list", "repo_id"])
    for name, repo_id in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if (row := corpus.row_of.get(repo_id)) is not None:
            rows[list_topic(name)].add(row)
    return {topic: sorted(members) for topic, members in rows.items()}
