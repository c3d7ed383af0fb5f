"""The page as a folder that any static host can serve: the sources in web/, the search core, and data/ for them.

data/model.json says what the other files of data/ are (bytes and SHA-256), what the vectors are of and how good they
are; data/vectors.hi and .lo are the planes; names.gz, columns.gz and descriptions.gz the catalogue; people.json the
axes of the radar, the quantile tables and the well-known developers. Equal inputs give equal bytes.
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.export.catalogue_columns import plain, write_columns
from starvec_assets.export.quantization import write_planes
from starvec_assets.files import sha256
from starvec_assets.paths import PACKAGE
from starvec_assets.profiles.probes import load_probes
from starvec_assets.vectors import USER_VECTOR_RULE

FORMAT = 1
WEB = PACKAGE / "web"
WASM = Path("engine/search.wasm")
SERVED = {".html", ".css", ".js", ".svg", ".png", ".webmanifest"}
"""What of web/ is served; the rest is what it is made from."""
SHELL_FILES = "const SHELL_FILES = [];"
"""Line of service-worker.js that is filled in with the files of the page."""


@dataclass(frozen=True)
class BundleInputs:
    """Folders of the artifacts that the page shows."""

    fp16_export: Path
    linear_probes: Path
    quantile_tables: Path
    developer_vectors: Path
    evaluation: Path
    user_buckets: Path
    star_log: Path


@dataclass(frozen=True)
class BundleSummary:
    """`files`: bytes by path; `longest`: characters that descriptions were cut to."""

    model: str
    n: int
    d: int
    files: dict[str, int]
    longest: int

    def size(self, *parts: str) -> int:
        """Bytes of the files whose path begins with one of `parts`."""
        return sum(size for name, size in self.files.items() if name.startswith(parts))


def build_bundle(
    inputs: BundleInputs, wasm: bytes, made: Mapping[str, Any], out: Path, web: Path = WEB
) -> BundleSummary:
    """Fill the empty folder `out`. `wasm`: the compiled search core; `made`: what model.json says of how it came about.

    Raises StarvecError when inputs do not fit together.
    """
    data = out / "data"
    data.mkdir()
    repos = pq.read_table(inputs.fp16_export / "repos.parquet")
    n = len(repos)
    d = write_planes(inputs.fp16_export / "embeddings.f16", n, data / "vectors.hi", data / "vectors.lo")
    columns = write_columns(repos, data)
    _write_json(data / "people.json", _people(inputs, d))
    model = _digest(data / "vectors.hi", data / "vectors.lo")[:16]
    _write_json(
        data / "model.json",
        {
            "format": FORMAT,
            "model": model,
            "n": n,
            "d": d,
            "files": {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in sorted(data.iterdir())},
            "languages": columns.languages,
            "window": _window(inputs),
            "evaluation": _evaluation(inputs.evaluation),
            "evaluated": _read_json(inputs.evaluation / "data.json"),
            "gate": _read_json(inputs.evaluation / "gates.json"),
            "user_rule": USER_VECTOR_RULE,
            "made": dict(made),
        },
    )
    _copy_sources(web, out)
    (out / WASM).parent.mkdir(exist_ok=True)
    (out / WASM).write_bytes(wasm)
    _fill_shell_files(out)
    files = {p.relative_to(out).as_posix(): p.stat().st_size for p in sorted(out.rglob("*")) if p.is_file()}
    return BundleSummary(model, n, d, files, columns.longest)


def _people(inputs: BundleInputs, d: int) -> dict[str, Any]:
    """people.json: vectors as Base64 of little-endian float32 [d]."""
    probes = load_probes(inputs.linear_probes)
    content = _read_json(inputs.linear_probes / "probes.json")
    developers = pq.read_table(inputs.developer_vectors / "developers.parquet").to_pylist()
    vectors = np.load(inputs.developer_vectors / "vectors.npy", allow_pickle=False)
    if probes.weights.shape[1] != d or len(vectors) != len(developers) or (len(vectors) and vectors.shape[1] != d):
        raise StarvecError(
            f"linear_probes {probes.weights.shape} or developer_vectors {vectors.shape} are not of the {d} dimensions "
            "of fp16_export: materialize them again"
        )
    return {
        "categories": [
            {
                "name": category["name"],
                "title": category.get("title", category["name"]),
                "auc": category["auc"],
                "weights": _base64(weights),
                "bias": _number(bias),
            }
            for category, weights, bias in zip(content["categories"], probes.weights, probes.bias, strict=True)
        ],
        "calibration": content["calibration"],
        "quantiles": {
            name: [_number(q) for q in np.load(inputs.quantile_tables / f"{name}.npy", allow_pickle=False)]
            for name in ("users", "repositories")
        },
        "developers": [
            {
                "login": person["login"],
                "name": plain(person["name"]),
                "stars_used": person["stars_used"],
                "vector": _base64(vector),
            }
            for person, vector in zip(developers, vectors, strict=True)
        ],
    }


def _window(inputs: BundleInputs) -> dict[str, Any]:
    """The months that count, how whole they are, and what remained of them."""
    months = pq.read_table(inputs.star_log / "months.parquet")
    counts = ("stars", "hours_expected", "hours_ok", "hours_faulty", "hours_missing")
    if lacking := set(counts) - set(months.column_names):
        raise StarvecError(f"star_log is of an older starvec, without {', '.join(lacking)}: materialize it again")
    heldout = np.load(inputs.user_buckets / "heldout_a_offsets.npy", allow_pickle=False)
    offsets = np.load(inputs.user_buckets / "offsets.npy", allow_pickle=False)
    return {
        "first": pc.min(months["month"]).as_py(),
        "last": pc.max(months["month"]).as_py(),
        "months": len(months),
        **{name: int(pc.sum(months[name]).as_py()) for name in counts},
        "users": len(offsets) - 1,
        "users_heldout": len(heldout) - 1,
        "stars_trained": int(offsets[-1]),
    }


def _evaluation(folder: Path) -> dict[str, dict[str, dict[str, float | None]]]:
    """System -> metric -> value with its 95 % interval, where it has one."""
    metrics, intervals = _read_json(folder / "metrics.json"), _read_json(folder / "intervals.json")
    return {
        system: {
            metric: dict(
                zip(
                    ("value", "low", "high"),
                    (value, *intervals.get(system, {}).get(metric, (None, None))),
                    strict=True,
                )
            )
            for metric, value in values.items()
        }
        for system, values in metrics.items()
    }


def _copy_sources(web: Path, out: Path) -> None:
    for source in sorted(web.rglob("*")):
        if source.suffix in SERVED and source.is_file():
            target = out / source.relative_to(web)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _fill_shell_files(out: Path) -> None:
    """List the files outside data/ in the service worker; index.html as "./", the address that visitors open."""
    worker = out / "service-worker.js"
    paths = (p.relative_to(out) for p in sorted(out.rglob("*")) if p.is_file() and p != worker)
    files = [p.as_posix() if p.name != "index.html" else "./" for p in paths if p.parts[0] != "data"]
    script = worker.read_text(encoding="utf-8")
    if script.count(SHELL_FILES) != 1:
        raise StarvecError(f"{worker.name} does not hold {SHELL_FILES!r} once: nowhere to list the page's files")
    worker.write_text(script.replace(SHELL_FILES, f"{SHELL_FILES[:-3]}{json.dumps(files)};"), encoding="utf-8")


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()


def _base64(vector: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _number(value: np.floating) -> float:
    """The shortest decimal that reads back as the same float32."""
    return float(np.format_float_positional(np.float32(value), unique=True))


def _read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
