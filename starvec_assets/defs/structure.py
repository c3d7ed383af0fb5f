"""vector_structure: what else is in the vectors, shown to whoever is curious; nothing depends on it."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow.parquet as pq

from starvec_assets.defs.common import AssetConfig, asset, materialization, require_same_corpus, table, writing
from starvec_assets.defs.resources import StoreResource
from starvec_assets.evaluation.analogies import ALL, ask, read_relations
from starvec_assets.evaluation.awesome.build import catalogue_ids
from starvec_assets.evaluation.vector_analysis import StructureSettings, build_structure
from starvec_assets.ingest.repo_catalog import main_languages
from starvec_assets.plots import picture

METHODS = {
    "3cosadd": "b - a + c (3CosAdd)",
    "3cosmul": "b * c / a (3CosMul)",
    "b_plus_c": "b + c, nothing taken away",
    "b_alone": "nearest to b alone",
    "c_alone": "nearest to c alone",
    "chance": "chance",
}


class VectorStructureConfig(StructureSettings, AssetConfig):
    """How much is looked at."""


@asset(
    config=VectorStructureConfig,
    group="evaluation",
    kinds={"scikitlearn", "parquet"},
    deps=["trained_embeddings", "user_buckets", "repo_catalog"],
)
def vector_structure(
    context: dg.AssetExecutionContext, config: VectorStructureConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """Vector arithmetic and clusters, measured, and a map of the most starred repositories.

    Analogies from evaluation/analogies.toml ("pandas - python + typescript = danfo.js?") beside what nearness alone
    answers; silhouette, Hopkins statistic and the language of neighbours beside what one single cloud of the same shape
    has. A map of 20,000 takes about a minute of one core; `repositories` in the config says how many. No gate.
    """
    artifacts = store.open()
    trained, corpus, catalogue = inputs = [
        artifacts.latest(name) for name in ("trained_embeddings", "user_buckets", "repo_catalog")
    ]
    require_same_corpus(corpus, trained)
    repos = pq.read_table(corpus.path / "repos.parquet", columns=["repo_id", "name"])
    ids = repos["repo_id"].to_pylist()
    relations = read_relations()
    wanted = {name for pairs in relations.values() for pair in pairs for name in pair}
    row_of_id = {repo_id: row for row, repo_id in enumerate(ids)}
    named = catalogue_ids(catalogue.path / "repos.parquet", wanted)
    questions = ask(relations, {name: row_of_id[repo] for name, repo in named.items() if repo in row_of_id})
    with writing(context, artifacts, "vector_structure", config, inputs) as draft:
        found = build_structure(
            np.load(trained.path / "vectors.npy", allow_pickle=False),
            repos["name"].to_pylist(),
            main_languages(catalogue.path / "repos.parquet", ids),
            questions,
            draft.path,
            config,
        )
        draft.rows = {"questions": len(questions.rows), "repositories": found.on_map}
        draft.facts = {"missing": found.missing}
    done = draft.done()
    if found.missing:
        lost = {name for names in found.missing.values() for name in names}
        context.log.info(f"{len(lost)} of {len(wanted)} repositories of the analogies are not in the vocabulary")
    for line in _in_words(found.metrics, found.silhouettes):
        context.log.info(line)
    scores = found.analogies.to_pylist()
    return materialization(
        done,
        rows=found.on_map,
        metadata={
            "map": dg.MetadataValue.md(picture((done.path / "map.png").read_bytes(), "map of repositories")),
            **{
                name: value
                for name, value in found.metrics.items()
                if not name.startswith("analogies") or name.endswith(("_3cosadd", "_b_plus_c", "_questions"))
            },
            "analogies": table(
                ["d is looked for by", "first", "among ten", "MRR"],
                [[METHODS[r["method"]], r["at_1"], r["at_10"], r["mrr"]] for r in scores if r["relation"] == ALL],
            ),
            "analogies by relation": table(
                ["relation", "questions", "among ten, by b - a + c", "by b + c", "nearest to c alone"],
                [
                    [name, r["questions"], r["at_10"], *(_at_10(scores, name, m) for m in ("b_plus_c", "c_alone"))]
                    for r in scores
                    if r["method"] == "3cosadd" and (name := r["relation"]) != ALL
                ],
            ),
            "for example": table(
                ["relation", "question", "the nearest", "rank of the answer"], [list(e) for e in found.examples]
            ),
            "clusters": table(
                ["clusters", "silhouette", "of one cloud of the same shape"], [list(s) for s in found.silhouettes]
            ),
            "not in the vocabulary": table(
                ["relation", "repositories"], [[name, ", ".join(lost)] for name, lost in found.missing.items()]
            ),
        },
    )


def _in_words(metrics: dict[str, float], silhouettes: list[tuple[int, float, float]]) -> list[str]:
    lines = [f"{k} clusters: silhouette {own:.3f}, of one cloud {cloud:.3f}" for k, own, cloud in silhouettes]
    if metrics["analogies_questions"]:
        by, without = (metrics[f"analogies_at_10_{method}"] for method in ("3cosadd", "b_plus_c"))
        lines.insert(0, f"analogies: the answer is among ten by b - a + c {by:.1%} of the time, by b + c {without:.1%}")
    return lines


def _at_10(scores: list[dict[str, Any]], relation: str, method: str) -> float:
    return next(float(r["at_10"]) for r in scores if (r["relation"], r["method"]) == (relation, method))
