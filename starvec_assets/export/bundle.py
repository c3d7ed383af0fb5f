"""The page as a folder for any static host: its own files as a release (export/release.py), and its data.

data/model.json lists the other files of data/ (bytes and SHA-256), the origin of the vectors and their evaluation;
vectors.hi and vectors.lo are the int8 and residual4 planes, vectors.text the int8 plane of the text alone; words.index
and words.text the index of text search (export/text_index_file.py); names.gz, columns.gz and descriptions.gz the
catalogue; first.gz names, columns and vectors of the first rows (export/first_rows.py); map.gz places, clusters and
labels; topics.gz, where there are any, the repositories of each topic (export/topics_file.py); trends.gz stars by month
and what is rising; people.json the probes, the quantile tables and the developers, each by bin of stars. Equal inputs
give equal bytes.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.gates import GATES
from starvec_assets.export.catalogue_columns import sanitize_line, write_columns
from starvec_assets.export.first_rows import write_first_rows
from starvec_assets.export.fp16 import TEXT, VECTORS, count_placed, read_repositories, rows_by_name
from starvec_assets.export.map_file import write_map
from starvec_assets.export.release import WASM, WEB, write_release
from starvec_assets.export.text_index_file import WORDS_INDEX, WORDS_TEXT, write_text_index
from starvec_assets.export.topics_file import TOPICS, write_topics
from starvec_assets.export.trends_file import write_trends
from starvec_assets.files import sha256
from starvec_assets.ingest.capture import counted_months
from starvec_assets.markdown import Metadata, markdown_table
from starvec_assets.profiles.people_mixture import GROUPS, PeopleMixture
from starvec_assets.profiles.probes import load_probes
from starvec_assets.profiles.quantiles import LEVELS, Table
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.prototypes import Prototypes
from starvec_assets.quantization import write_planes
from starvec_assets.ranking.purpose import TEXT_WEIGHTS
from starvec_assets.vectors import USER_VECTOR_RULE, load_matrix, load_vectors, unit_rows

FORMAT = 3


@dataclass(frozen=True)
class BundleInputs:
    """Folders of the artifacts that the page is built from."""

    fp16_export: Path
    text_index: Path
    repository_map: Path
    linear_probes: Path
    quantile_tables: Path
    developer_vectors: Path
    trends: Path
    evaluation: Path
    user_buckets: Path
    star_log: Path
    star_history: Path


@dataclass(frozen=True)
class BundleSummary:
    """`files`: bytes by path; `max_description_chars`: length that descriptions were cut to; `on_map`: repositories.

    `with_curve`: repositories with stars by month; `words`: those that text search knows; `topics`: those that lists
    can be filtered by.
    """

    model: str
    release: str
    n: int
    d: int
    files: dict[str, int]
    max_description_chars: int
    on_map: int
    with_curve: int
    words: int
    topics: int
    star_bins: StarBins

    def size(self, *prefixes: str) -> int:
        """Return the bytes of the files whose path starts with one of `prefixes`."""
        return sum(size for name, size in self.files.items() if name.startswith(prefixes))


def build_bundle(
    inputs: BundleInputs,
    wasm: bytes | None,
    build_info: Mapping[str, Any],
    out: Path,
    web: Path = WEB,
    site_url: str = "",
) -> BundleSummary:
    """Write the page into the empty folder `out`.

    `wasm`: the compiled search core; None for a page that searches in JavaScript. `build_info`: versions and sources of
    the inputs, for model.json. `site_url`: address that the page is served at, "" where it is not known. Raises
    StarvecError when inputs do not fit together.
    """
    data = out / "data"
    data.mkdir()
    repos = read_repositories(inputs.fp16_export)
    n = len(repos)
    d = write_planes(inputs.fp16_export / VECTORS, n, data / "vectors.hi", data / "vectors.lo")
    text_d = write_planes(inputs.fp16_export / TEXT, n, data / "vectors.text")
    words = write_text_index(inputs.text_index, n, d, text_d, data)
    languages, max_description_chars = write_columns(repos, data)
    first_rows = write_first_rows(data, n, d)
    topics = write_topics(repos, data / TOPICS)
    on_map = write_map(inputs.repository_map, n, data / "map.gz")
    with_curve = write_trends(inputs.trends, repos["repo_id"].to_numpy(), data / "trends.gz")
    bins = _star_bins(inputs)
    _write_json(data / "people.json", _people(inputs, bins, d))
    digests = [bytes.fromhex(sha256(data / plane)) for plane in ("vectors.hi", "vectors.lo")]
    model = hashlib.sha256(b"".join(digests)).hexdigest()[:16]
    evaluation = Evaluation.load(inputs.evaluation)
    _write_json(
        data / "model.json",
        {
            "format": FORMAT,
            "model": model,
            "n": n,
            "placed": count_placed(repos),
            "d": d,
            "first_rows": first_rows,
            "files": {p.name: file_facts(p) for p in sorted(data.iterdir())},
            "languages": languages,
            "superseded": sorted(set(range(n)).difference(rows_by_name(repos).values())),
            "wasm_sha256": "" if wasm is None else hashlib.sha256(wasm).hexdigest(),
            "window": _data_window(inputs),
            "evaluation": _scores(evaluation),
            "evaluated": evaluation.data,
            "gate": json.loads((inputs.evaluation / GATES).read_bytes()),
            "user_rule": USER_VECTOR_RULE,
            "text_weights": TEXT_WEIGHTS,
            "made": dict(build_info),
        },
    )
    release = write_release(out, wasm, web, site_url)
    files = {p.relative_to(out).as_posix(): p.stat().st_size for p in sorted(out.rglob("*")) if p.is_file()}
    return BundleSummary(model, release, n, d, files, max_description_chars, on_map, with_curve, words, topics, bins)


def web_bundle_metadata(summary: BundleSummary, gate_failures: Sequence[str]) -> Metadata:
    """Return what the UI shows of web_bundle, written although the gate had these failures, if any."""
    vectors, text = summary.size("data/vectors.hi", "data/vectors.lo"), summary.size("data/vectors.text")
    later = ("map.gz", "trends.gz", TOPICS, "words.")
    map_file, trends, topics, words = (summary.size(f"data/{name}") for name in later)
    other_data = summary.size("data/") - vectors - text - map_file - trends - topics - words
    return {
        "model": summary.model,
        "release": summary.release,
        "vectors to the first search (MB)": summary.size("data/vectors.hi") / 1e6,
        "vectors in all (MB)": vectors / 1e6,
        "vectors of the text, for the dial of similar repositories (MB)": text / 1e6,
        "names, descriptions and people (MB)": other_data / 1e6,
        "index of words, for the first search by words (MB)": summary.size(f"data/{WORDS_INDEX}") / 1e6,
        "the same for the vectors of the text (MB)": summary.size(f"data/{WORDS_TEXT}") / 1e6,
        "words": summary.words,
        "map (MB)": map_file / 1e6,
        "repositories on the map": summary.on_map,
        "trends (MB)": trends / 1e6,
        "repositories with stars by month": summary.with_curve,
        "topics (MB)": topics / 1e6,
        "topics to filter by": summary.topics,
        "bins of stars": summary.star_bins.table(),
        "page itself (KB)": (summary.size("") - summary.size("data/")) / 1e3,
        "descriptions cut to (characters)": summary.max_description_chars,
        "gate": "failed, overridden" if gate_failures else "passed",
        "search kernel": "WebAssembly" if f"{summary.release}/{WASM}" in summary.files else "JavaScript",
        "open it": "starvec serve, then http://127.0.0.1:8000/",
        "files": markdown_table(["file", "bytes"], list(summary.files.items())),
    }


def _people(inputs: BundleInputs, bins: StarBins, d: int) -> dict[str, Any]:
    """Return the content of people.json: vectors as Base64 of little-endian float32, tables as that of int16.

    Prototypes of a developer are int8 [8, d], their weights float32 [8].
    """
    content, weights, fields = load_probes(inputs.linear_probes)
    directions = unit_rows(weights)
    places = load_matrix(inputs.linear_probes / "places.npy", np.float32)
    developers = pq.read_table(inputs.developer_vectors / "developers.parquet").to_pylist()
    vectors = load_vectors(inputs.developer_vectors)
    pairs = np.load(inputs.quantile_tables / "people.npy", allow_pickle=False)
    mixture = PeopleMixture.load(inputs.quantile_tables)
    tables = np.load(inputs.developer_vectors / "quantiles.npy", allow_pickle=False)
    prototypes = Prototypes.load(inputs.developer_vectors)
    if weights.shape[1] != d or len(vectors) != len(developers) or (len(vectors) and vectors.shape[1] != d):
        raise StarvecError(
            f"linear_probes {weights.shape} or developer_vectors {vectors.shape} are not of the {d} dimensions "
            "of fp16_export: materialize them again"
        )
    return {
        "star_bins": bins.facts(),
        "categories": [
            {
                "name": category["name"],
                "title": category["name"],
                "auc": category["auc"],
                "direction": _base64(directions[i]),
                "quantiles": _base64(fields[i]),
                "place": _base64(places[i]),
            }
            for i, category in enumerate(content["categories"])
        ],
        "levels": LEVELS.tolist(),
        "quantiles": _base64(pairs),
        "mixture": {
            "groups": GROUPS,
            "centres": _base64(mixture.centres),
            "shares": _base64(mixture.shares),
            "spreads": _base64(mixture.spreads),
        },
        "developers": [
            {
                "login": developer["login"],
                "name": sanitize_line(developer["name"]),
                "stars_used": developer["stars_used"],
                "vector": _base64(vector),
                "quantiles": _base64(table),
                "prototypes": _base64(prototypes.vectors[i]),
                "prototype_weights": _base64(prototypes.weights[i]),
            }
            for i, (developer, vector, table) in enumerate(zip(developers, vectors, tables, strict=True))
        ],
    }


def _star_bins(inputs: BundleInputs) -> StarBins:
    """Return the bins of stars, which must be the same in all artifacts that are calibrated by them."""
    folders = (inputs.linear_probes, inputs.quantile_tables, inputs.developer_vectors)
    first, *others = (StarBins.load(folder) for folder in folders)
    if any(bins != first for bins in others):
        raise StarvecError(
            "linear_probes, quantile_tables and developer_vectors divide people by other numbers of stars: "
            "materialize them again"
        )
    return first


def _data_window(inputs: BundleInputs) -> dict[str, Any]:
    """Return the months of the star log whose stars count, their coverage, and the size of the corpus."""
    months = pq.read_table(inputs.star_log / "months.parquet")
    months = months.filter(pc.field("month").isin(counted_months(inputs.star_history)))
    counts = ("stars", "hours_expected", "hours_ok", "hours_faulty", "hours_missing")
    if lacking := set(counts) - set(months.column_names):
        raise StarvecError(f"star_log is of an older starvec, without {', '.join(lacking)}: materialize it again")
    corpus = Corpus.load(inputs.user_buckets)
    return {
        "first": pc.min(months["month"]).as_py() or "",
        "last": pc.max(months["month"]).as_py() or "",
        "months": len(months),
        **{name: int(pc.sum(months[name]).as_py() or 0) for name in counts},
        "users": len(corpus.lists),
        "users_heldout": len(corpus.heldout_a),
        "stars_trained": len(corpus.lists.items),
    }


def file_facts(path: Path) -> dict[str, Any]:
    """Return size and hash of a data file, and the hash of what is gzipped in it: some hosts send that."""
    facts = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    if path.suffix == ".gz":
        facts["inflated_sha256"] = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
    return facts


def _scores(evaluation: Evaluation) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return value and 95 % interval, or None, of each metric by system."""
    scores: dict[str, dict[str, dict[str, float | None]]] = {system: {} for system in evaluation.metrics}
    for system, metrics in evaluation.metrics.items():
        for metric, value in metrics.items():
            low, high = evaluation.intervals[system].get(metric, (None, None))
            scores[system][metric] = {"value": value, "low": low, "high": high}
    return scores


def _base64(array: npt.NDArray[np.float32] | npt.NDArray[np.int8] | Table) -> str:
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
