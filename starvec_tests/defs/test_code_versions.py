"""Code versions: a setting is in one exactly if the outcome depends on it, and every setting is classified."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from starvec_assets.definitions import defs
from starvec_assets.defs.artifact_asset import CONFIG_CLASSES
from starvec_assets.defs.code_versions import NOT_IN_OUTCOME, RESOURCES_IN_OUTCOME, code_version
from starvec_assets.defs.resources import from_environment

IN_OUTCOME: dict[str, list[str]] = json.loads(Path(__file__).with_name("settings_in_outcome.json").read_text())
"""Fields of every config class that the outcome depends on."""

WHERE_AND_HOW = {
    "store": {"bucket", "keep"},
    "io_manager": {"store"},
    "duckdb": {"database", "connection_config", "memory_limit_gb", "threads"},
    "gpu": {"device", "require_gpu"},
    "bigquery": {"project", "location", "max_gib_billed", "dollars_per_tib", "export", "archive"},
    "star_source": {"location", "concurrency", "tries", "timeout", "keep_hours"},
    "awesome_source": set[str](),
    "developer_source": set[str](),
    "dataset_publisher": set[str](),
    "github": {"base_url", "max_requests", "max_hours"},
    "text_encoder": {"batch_size"},
}
"""Fields of resources that no outcome depends on."""

CONFIGS = {config.__name__: config for config in CONFIG_CLASSES.values()}


def test_every_setting_of_an_asset_is_classified():
    """A new one belongs into settings_in_outcome.json, or into NOT_IN_OUTCOME if the bytes never depend on it."""
    found = {f"{name}.{field}" for name, config in CONFIGS.items() for field in config.model_fields}
    inside, outside = (
        {f"{name}.{field}" for name, fields in of_class.items() for field in fields}
        for of_class in (IN_OUTCOME, NOT_IN_OUTCOME)
    )
    assert found - inside - outside == set(), "classify these"
    assert (inside | outside) - found == set(), "these are no settings any more"
    assert inside & outside == set()


def test_every_setting_of_a_resource_is_classified():
    """A new one belongs into RESOURCES_IN_OUTCOME, or into WHERE_AND_HOW."""
    in_outcome: dict[str, set[str]] = {}
    for of_asset in RESOURCES_IN_OUTCOME.values():
        for resource, fields in of_asset.items():
            in_outcome.setdefault(resource, set()).update(fields)
    found = {name: set(type(resource).model_fields) for name, resource in from_environment({}).items()}
    assert found == {name: in_outcome.get(name, set()) | fields for name, fields in WHERE_AND_HOW.items()}
    assert not any(in_outcome.get(name, set()) & fields for name, fields in WHERE_AND_HOW.items())


def with_default(config: type[dg.Config], field: str, value: Any) -> type[dg.Config]:
    """Return a config class that differs in a default alone."""
    annotations = {"__annotations__": {field: config.model_fields[field].annotation}}
    return type(config.__name__, (config,), annotations | {field: value, "__module__": config.__module__})


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, fields in NOT_IN_OUTCOME.items() for field in sorted(fields)]
)
def test_a_setting_that_no_byte_depends_on_changes_no_version(name: str, field: str):
    config = CONFIGS[name]
    value = {int: 3, float: 0.75, bool: True, str: "localhost:1234"}[type(config.model_fields[field].default)]
    changed = with_default(config, field, value)
    assert changed().model_dump()[field] != config().model_dump()[field]
    assert code_version("1", changed) == code_version("1", config)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("TrainedEmbeddingsConfig", "seed", 5),
        ("StarLogConfig", "last_month", "2024-01"),
        ("UserBucketsConfig", "seed", 1),
    ],
)
def test_a_setting_that_bytes_depend_on_changes_the_version(name: str, field: str, value: Any):
    assert code_version("1", with_default(CONFIGS[name], field, value)) != code_version("1", CONFIGS[name])


def versions() -> dict[str, str | None]:
    return {spec.key.to_user_string(): spec.code_version for spec in defs().resolve_all_asset_specs()}


@pytest.mark.parametrize(
    ("variable", "value", "changed"),
    [
        ("STARVEC_ENCODER", "qwen3", {"readme_init_vectors"}),
        ("STARVEC_READMES", "github", {"readme_init_vectors"}),
        ("STARVEC_AWESOME", "none", {"awesome_lists"}),
        ("STARVEC_DEVELOPERS", "people.tsv", {"developer_vectors"}),
        ("STARVEC_DATASET_CONTACT", "data@example.org", {"dataset_release"}),
        ("STARVEC_DEVICE", "cpu", set()),
        ("STARVEC_MEMORY_GB", "1", set()),
        ("STARVEC_SOURCE", "elsewhere", set()),
        ("STARVEC_GITHUB_REQUESTS", "7", set()),
    ],
)
def test_settings_of_the_deployment_are_in_the_versions_of_what_they_change(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, changed: set[str]
):
    monkeypatch.delenv(variable, raising=False)
    before = versions()
    monkeypatch.setenv(variable, value)
    assert {asset for asset, version in versions().items() if version != before[asset]} == changed


def test_precision_is_a_setting_of_the_training_alone():
    in_outcome = {asset for asset, of_asset in RESOURCES_IN_OUTCOME.items() if "precision" in of_asset.get("gpu", ())}
    assert in_outcome == {"trained_embeddings", "training_leaderboard"}
