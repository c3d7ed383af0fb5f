"""Reads the rankings of a trends artifact, by field and language."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.trends.tables import ABOUT, CATEGORY, CLUSTER, LANGUAGE


def load_about(folder: Path) -> dict[str, Any]:
    """Return trends.json: the days compared (`window`, None for none), `notes`, `gaps`, `least_stars`.

    Raises StarvecError when the folder has none.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError) as error:
        raise StarvecError(f"cannot read the trends in {folder} ({error}): materialize trends again") from error
    return about


def read_ranking(folder: Path, ranking: str, field: str = "", language: str = "") -> pa.Table:
    """Return a ranking, best first: `rising`, `most_stars` or `bursts`, of schema tables.RANKING.

    `field` is a category of the radar or the label of a cluster of the map, `language` a main language; letter case is
    ignored. Raises StarvecError for one that no repository with stars has, with similar names.
    """
    table = pq.read_table(folder / f"{ranking}.parquet")
    if not (field or language):
        return table
    names = pq.read_table(folder / "fields.parquet", columns=["kind", "field", "cluster"])
    if language:
        table = table.filter(pc.equal(table[LANGUAGE], _known(names, [LANGUAGE], language)))
    if not field:
        return table
    name = _known(names, [CATEGORY, CLUSTER], field)
    clusters = names.filter(pc.and_(pc.equal(names["kind"], CLUSTER), pc.equal(names["field"], name)))["cluster"]
    inside = pc.or_kleene(
        pc.equal(table[CATEGORY], name), pc.is_in(table[CLUSTER], value_set=clusters.combine_chunks())
    )
    return table.filter(pc.fill_null(inside, False))


def _known(names: pa.Table, kinds: list[str], wanted: str) -> str:
    """Return the name of a field as it is written in `names`, which has kind and field."""
    known = sorted(set(names.filter(pc.is_in(names["kind"], value_set=pa.array(kinds)))["field"].to_pylist()))
    spelt: dict[str, str] = {name.lower(): name for name in known}
    if name := spelt.get(wanted.lower()):
        return name
    close = [spelt[name] for name in get_close_matches(wanted.lower(), spelt, n=5)]
    what = "language" if kinds == [LANGUAGE] else "field"
    hint = f"Similar: {', '.join(close)}" if close else f"There are {', '.join(known[:30]) or 'none'}"
    raise StarvecError(f"no repository with stars has the {what} {wanted[:80]!r}. {hint}")
