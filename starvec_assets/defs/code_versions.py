"""Code versions: which settings an asset's outcome depends on.

A setting is in the code version unless it is listed here: a change of its default shows the asset as Unsynced. One that
is listed changes speed, limits or messages, never the bytes that are written.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

NOT_IN_OUTCOME: Mapping[str, frozenset[str]] = {
    "RawStarsConfig": frozenset({"workers"}),
    "StarLogConfig": frozenset({"warn_below"}),
    "UserBucketsConfig": frozenset({"min_users", "chunk_rows"}),
    "LinearProbesConfig": frozenset({"min_auc"}),
    "TrainedEmbeddingsConfig": frozenset({"checkpoint_minutes", "processes_per_node", "nodes", "master_address"}),
    "Fp16ExportConfig": frozenset({"export_despite_gate"}),
}
"""Fields by config class."""

RESOURCES_IN_OUTCOME: Mapping[str, Mapping[str, Sequence[str]]] = {
    "readme_init_vectors": {"text_encoder": ["encoder", "model", "revision", "readmes", "max_readmes"]},
    "trained_embeddings": {"gpu": ["precision"]},
    "training_leaderboard": {"gpu": ["precision"]},
    "awesome_lists": {"awesome_source": ["location"]},
    "developer_vectors": {"developer_source": ["path"]},
    "dataset_release": {"dataset_publisher": ["contact", "homepage", "removed"]},
}
"""Fields of resources by asset; those of no asset say where and how work is done.

The source of a month's stars is not among them: it is in the month's provenance, and another source for the next month
is no reason to read the earlier ones again.
"""


def code_version(algorithm: str, config: type[dg.Config], rules: Mapping[str, Any] | None = None) -> str:
    """Return the algorithm's version and a hash of `rules` and of the config's defaults that the outcome depends on."""
    defaults = config().model_dump(exclude=set(NOT_IN_OUTCOME.get(config.__name__, ())))
    return f"{algorithm}+{_digest(defaults | dict(rules or {}))}"


def with_resources(assets: Iterable[dg.AssetsDefinition], resources: Mapping[str, Any]) -> list[dg.AssetsDefinition]:
    """Return the assets with the values of RESOURCES_IN_OUTCOME in their code versions.

    `resources` are those of the deployment by name, with values rather than references to variables.
    """

    def with_settings(spec: dg.AssetSpec) -> dg.AssetSpec:
        fields = RESOURCES_IN_OUTCOME.get(spec.key.to_user_string())
        if not fields or spec.code_version is None:
            return spec
        algorithm, _, defaults = spec.code_version.partition("+")
        settings = [[getattr(resources[name], field) for field in of_resource] for name, of_resource in fields.items()]
        return spec.replace_attributes(code_version=f"{algorithm}+{_digest([defaults, settings])}")

    return [asset.map_asset_specs(with_settings) for asset in assets]


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
