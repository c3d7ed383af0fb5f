"""awesome_lists and evaluation: what the vectors are worth, beside what they have to beat."""

import contextlib
from pathlib import Path

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.defs.common import AssetConfig, asset, materialization, preview, require_same_corpus, table, writing
from starvec_assets.defs.resources import AwesomeSource, StoreResource
from starvec_assets.evaluation.awesome.build import LOSSES, build_awesome_lists
from starvec_assets.evaluation.baselines import Popularity, System, aligned, random_vectors
from starvec_assets.evaluation.evaluate import Evaluation, EvaluationSettings, evaluate
from starvec_assets.evaluation.gates import BLOCKING, GateResult, GateSettings, Kind, gate, write_gates
from starvec_assets.evaluation.report import report
from starvec_assets.evaluation.scoreboard import METRICS, scoreboard, text_table
from starvec_assets.ingest.repo_catalog import main_languages
from starvec_assets.plots import bar_chart, picture
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import in_vocabulary
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact
from starvec_assets.vectors import USER_VECTOR_RULE, Matrix

# Checks by the kind of gate they show.
CHECKS: dict[Kind, tuple[str, str]] = {
    "sound": ("vectors_are_sound", "Vectors are finite, distinct and spread out."),
    "better": (
        "beats_the_baselines",
        "Vectors beat chance and popularity everywhere, text alone on held-out people.",
    ),
    "kept": ("no_worse_than_before", "No metric fell below the interval that the vectors exported before have."),
    "hoped": ("beats_what_it_need_not", "Vectors also beat text alone on awesome lists, and their spectral start."),
}


class AwesomeListsConfig(AssetConfig):
    """Where the lists come from is the resource awesome_source."""


@asset(config=AwesomeListsConfig, group="evaluation", kinds={"markdown", "parquet"}, deps=["repo_catalog"])
def awesome_lists(
    context: dg.AssetExecutionContext, config: AwesomeListsConfig, store: StoreResource, awesome_source: AwesomeSource
) -> dg.MaterializeResult[None]:
    """Repositories that people put side by side by hand: the sections of awesome lists, as ground truth.

    Two repositories of one section belong together. Names are resolved through the catalogue, renames followed.
    """
    artifacts = store.open()
    catalogue = artifacts.latest("repo_catalog")
    readmes, notes = awesome_source.read(catalogue.manifest.provenance)
    for note in notes:
        context.log.warning(note)
    with writing(context, artifacts, "awesome_lists", config, [catalogue]) as draft:
        summary = build_awesome_lists(readmes, catalogue.path / "repos.parquet", draft.path)
        draft.rows = {"lists": summary.lists, "groups": summary.groups, "members": summary.kept}
    lists = draft.done()
    dropped = [("kept", summary.kept), *sorted(summary.losses.items(), key=lambda item: -item[1])]
    return materialization(
        lists,
        rows=summary.groups,
        metadata={
            "lists": summary.lists,
            "groups": summary.groups,
            "items": table(["items", "count"], dropped),
            "lists without a group": table(["list"], [[name] for name in summary.empty]),
            "by list": preview(lists.path / "lists.parquet", ["list", "items", "kept", "groups", *LOSSES], rows=1_000),
            "could not be had": table(["list"], [[note] for note in notes]),
        },
    )


class EvaluationConfig(EvaluationSettings, GateSettings, AssetConfig):
    """How much is measured, and what the vectors must reach to be exported."""

    spectral_baseline: bool = Field(True, description="also score the spectral start, which takes seconds to make")


@asset(
    config=EvaluationConfig,
    group="evaluation",
    kinds={"numpy", "parquet"},
    deps=["trained_embeddings", "readme_init_vectors", "user_buckets", "awesome_lists", "repo_catalog"],
    rules=USER_VECTOR_RULE,
    checks=[
        dg.AssetCheckSpec(name, asset="evaluation", blocking=kind in BLOCKING, description=description)
        for kind, (name, description) in CHECKS.items()
    ],
)
def evaluation(
    context: dg.AssetExecutionContext, config: EvaluationConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """What the vectors are worth: awesome lists and held-out people, beside random, popularity, text and spectral.

    Held-out people: recall@50 and NDCG@50 of bucket B from bucket A, MRR of finding one's own B. Awesome lists: NDCG@10
    and @100. 95 % bootstrap intervals; by list, by popularity decile, by language. Its blocking checks are the gate of
    the export.
    """
    artifacts = store.open()
    trained, text, corpus, lists, catalogue = inputs = [
        artifacts.latest(name)
        for name in ("trained_embeddings", "readme_init_vectors", "user_buckets", "awesome_lists", "repo_catalog")
    ]
    require_same_corpus(corpus, trained, text)
    repos = pq.read_table(corpus.path / "repos.parquet")
    ids = repos["repo_id"].to_numpy()
    vectors = np.load(trained.path / "vectors.npy", allow_pickle=False)
    systems: dict[str, System] = {
        "trained": vectors,
        "random": random_vectors(len(ids), vectors.shape[1], config.seed),
        "popularity": Popularity(),
        "text": np.load(text.path / "vectors.npy", allow_pickle=False),
    }
    if config.spectral_baseline:
        from starvec_assets.training.init_vectors import spectral_start

        systems["spectral"] = spectral_start(RaggedArray.load(corpus.path), len(ids), vectors.shape[1], config.seed)
    if (before := _before(context.log, artifacts, trained)) is not None:
        systems["previous"] = aligned(*before, ids)
    about = f"Vectors {trained.content_hash[:12]}, learned from stars of {', '.join(trained.manifest.provenance)}."
    with writing(context, artifacts, "evaluation", config, inputs) as draft:
        scores = evaluate(
            systems,
            in_vocabulary(lists.path / "groups.parquet", ids),
            RaggedArray.load(corpus.path, "heldout_a_"),
            RaggedArray.load(corpus.path, "heldout_b_"),
            main_languages(catalogue.path / "repos.parquet", ids.tolist()),
            repos["stars"].to_numpy(),
            draft.path,
            config,
        )
        gates = gate(scores, config)
        write_gates(gates, draft.path)
        (draft.path / "report.html").write_text(report(draft.path, gates, about), encoding="utf-8")
        draft.rows = {"systems": len(systems), "queries": scores.data["queries"], "users": scores.data["users"]}
    done = draft.done()
    columns, rows = scoreboard(scores)
    for line in text_table(columns, rows):
        context.log.info(line)
    own = scores.metrics["trained"]
    return materialization(
        done,
        rows=len(systems),
        metadata={
            **{metric: float(value) for metric, value in own.items()},
            **{
                f"{metric}, 95 % {end}": value
                for metric, interval in scores.intervals["trained"].items()
                for end, value in zip(("from", "to"), interval, strict=True)
            },
            **{
                f"{system}: {metric}": float(value)
                for system, metrics in scores.metrics.items()
                if system != "trained"
                for metric, value in metrics.items()
                if metric in METRICS
            },
            **scores.data,
            "scores": table(columns, rows),
            "report": dg.MetadataValue.path(str(done.path / "report.html")),
            "awesome NDCG@10": _bars(scores, "awesome_ndcg_10", "Awesome lists, NDCG@10"),
            "held-out recall@50": _bars(scores, "heldout_recall_50", "Held-out people, recall@50"),
            "held-out MRR": _bars(scores, "heldout_mrr", "Held-out people, MRR of one's own other bucket"),
            "by popularity": preview(
                done.path / "by_decile.parquet", ["system", "decile", "ndcg_10", "recall_50", "recommended"], rows=100
            ),
            "by language": _beside(done.path / "by_language.parquet", "language"),
            "by list": _beside(done.path / "by_list.parquet", "list"),
        },
        checks=[_check(kind, [result for result in gates if result.kind == kind]) for kind in CHECKS],
    )


def _before(
    log: dg.DagsterLogManager, artifacts: ArtifactStore, trained: Artifact
) -> tuple[Matrix, npt.NDArray[np.int64]] | None:
    """Vectors and repo_ids of the newest export of other vectors: what people have is what must not get worse.

    Trained but never exported versions do not count, or a bad one would lower the mark for the next.
    """
    with contextlib.suppress(CorruptArtifact):
        artifacts.find("fp16_export")  # fetches it from the bucket, where there is one
    for version in reversed(artifacts.versions("fp16_export")):
        try:
            export = artifacts.open("fp16_export", version)
        except CorruptArtifact as error:
            log.warning(f"not compared with an export that is damaged: {error}")
            continue
        if export.manifest.inputs["trained_embeddings"][1] != trained.content_hash:
            ids = pq.read_table(export.path / "repos.parquet", columns=["repo_id"])["repo_id"].to_numpy()
            half = np.fromfile(export.path / "embeddings.f16", "<f2")
            return half.reshape(len(ids), -1).astype(np.float32), ids
    return None


def _check(kind: Kind, results: list[GateResult]) -> dg.AssetCheckResult:
    failed = [result for result in results if not result.passed]
    return dg.AssetCheckResult(
        check_name=CHECKS[kind][0],
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if kind in BLOCKING else dg.AssetCheckSeverity.WARN,
        description="; ".join(result.detail for result in failed or results) or "nothing to compare with yet",
        metadata={result.name: result.detail for result in results},
    )


def _beside(path: Path, key: str) -> dg.MarkdownMetadataValue:
    """NDCG@10 by `key`, the most asked first, a column each system."""
    rows = pq.read_table(path).to_pylist()
    systems = list(dict.fromkeys(row["system"] for row in rows))
    asked = {row[key]: row["queries"] for row in rows}
    found = {(row["system"], row[key]): row["ndcg_10"] for row in rows}
    ordered = sorted(asked, key=lambda name: (-asked[name], name))
    return table(
        [key, "queries", *systems],
        [[name or "unknown", asked[name], *(found.get((s, name), 0.0) for s in systems)] for name in ordered],
    )


def _bars(scores: Evaluation, metric: str, title: str) -> dg.MarkdownMetadataValue:
    values = {system: metrics[metric] for system, metrics in scores.metrics.items() if metric in metrics}
    intervals = {system: rows[metric] for system, rows in scores.intervals.items() if metric in rows}
    return dg.MetadataValue.md(picture(bar_chart(values, title, "", intervals), title))
