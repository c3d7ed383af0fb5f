"""Definitions as the UI shows them: assets with descriptions, kinds and owners; the schedule; the resources."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from starvec_assets.definitions import defs
from starvec_assets.defs.code_versions import code_version
from starvec_assets.defs.resources import (
    ASK_GITHUB_TAG,
    ASK_NOT,
    AwesomeSource,
    DatasetPublisher,
    DeveloperSource,
    GitHubResource,
    StarSource,
    TextEncoderResource,
    encodes_with_model,
    from_environment,
)
from starvec_assets.defs.training import TrainedEmbeddingsConfig
from starvec_assets.errors import StarvecError
from starvec_assets.markdown import markdown_table
from starvec_assets.paths import PACKAGE

KEYS = {
    "raw_stars",
    "raw_repos",
    "raw_people",
    "star_log",
    "star_history",
    "starred_lists",
    "repo_catalog",
    "user_buckets",
    "readme_init_vectors",
    "trained_embeddings",
    "training_leaderboard",
    "text_index",
    "repository_map",
    "awesome_lists",
    "evaluation",
    "vector_structure",
    "linear_probes",
    "quantile_tables",
    "developer_vectors",
    "trends",
    "fp16_export",
    "web_bundle",
    "dataset_release",
}


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    loaded = defs()
    dg.Definitions.validate_loadable(loaded)
    return loaded


def test_the_asset_keys_are_unchanged(loaded: dg.Definitions):
    assert {spec.key.to_user_string() for spec in loaded.resolve_all_asset_specs()} == KEYS


def test_every_asset_has_description_group_kinds_and_owner(loaded: dg.Definitions):
    for spec in loaded.resolve_all_asset_specs():
        assert len(spec.description or "") > 60, spec.key
        assert spec.group_name in {
            *("ingest", "corpus", "text", "training", "map", "evaluation", "profiles", "trends", "export"),
            "experiments",
        }
        assert spec.kinds, spec.key
        assert list(spec.owners) == ["team:starvec"]
        assert re.fullmatch(r"\d+\+[0-9a-f]{8}", spec.code_version or ""), spec.key


def test_a_rebuild_makes_all_below_the_months(loaded: dg.Definitions):
    made = {key.to_user_string() for key in loaded.resolve_job_def("rebuild").asset_layer.executable_asset_keys}
    assert made == KEYS - {"raw_stars", "raw_repos", "raw_people", "training_leaderboard"}


def test_the_refresh_asks_github_for_stars_and_a_rebuild_does_not(loaded: dg.Definitions):
    asked = {name: loaded.resolve_job_def(name).tags.get(ASK_GITHUB_TAG) for name in ("rebuild", "monthly_refresh")}
    assert asked == {"rebuild": ASK_NOT, "monthly_refresh": None}
    for name, says in (("rebuild", "do not ask GitHub"), ("monthly_refresh", "STARVEC_GITHUB_REQUESTS")):
        assert says in (loaded.resolve_job_def(name).description or "")


def test_a_value_out_of_bounds_is_a_message_without_a_retry():
    with pytest.raises(dg.Failure) as refused:
        TrainedEmbeddingsConfig(epochs=-3, lr=0)
    assert refused.value.description == (
        "epochs is -3: it should be greater than or equal to 0; lr is 0: it should be greater than 0"
    )
    assert not refused.value.allow_retries
    with pytest.raises(dg.Failure, match="set users_per_bag to 2 or less"):
        TrainedEmbeddingsConfig(batch=4, users_per_bag=8)


def test_every_config_field_is_described_and_its_default_is_valid(loaded: dg.Definitions):
    seen = set()
    for assets_def in loaded.resolve_asset_graph().assets_defs:
        for name, field in assets_def.op.config_schema.config_type.fields.items():
            seen.add(name)
            assert field.description, f"{assets_def.op.name}: {name}"
            assert not field.is_required, f"{assets_def.op.name}: {name}"
    assert {"epochs", "min_stars", "pairs", "export_despite_gate"} <= seen


def test_the_months_begin_in_2015_and_never_reach_the_present_one(loaded: dg.Definitions):
    months = loaded.resolve_assets_def("raw_stars").partitions_def
    assert months is not None
    keys = months.get_partition_keys(current_time=datetime(2026, 3, 2, tzinfo=UTC))
    assert keys[0] == "2015-01"
    assert keys[-1] == "2026-02"


def test_the_refresh_makes_all(loaded: dg.Definitions):
    job = loaded.resolve_job_def("monthly_refresh")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == KEYS - {"training_leaderboard"}


def test_freshness_is_never_that_of_the_last_write(loaded: dg.Definitions):
    assert all(spec.freshness_policy is None for spec in loaded.resolve_all_asset_specs())


@pytest.mark.parametrize(("encoder", "waits"), [("", False), ("tfidf", False), ("minilm", True), ("tfidf+qwen3", True)])
def test_text_vectors_wait_for_the_gpu_only_if_a_model_makes_them(encoder: str, waits: bool):
    assert encodes_with_model({"STARVEC_ENCODER": encoder} if encoder else {}) == waits


@pytest.mark.parametrize(
    ("resource", "open_resource", "variable"),
    [
        (StarSource(location="/nowhere"), lambda resource: resource.open(), "STARVEC_SOURCE"),
        (AwesomeSource(location="/nowhere"), lambda resource: resource.read([]), "STARVEC_AWESOME"),
        (DeveloperSource(path="/nowhere"), lambda resource: resource.read([]), "STARVEC_DEVELOPERS"),
        (DatasetPublisher(removed="/nowhere"), lambda resource: resource.read_removed(), "STARVEC_DATASET_REMOVED"),
        (
            TextEncoderResource(readmes="/nowhere"),
            lambda resource: resource.open_readmes(GitHubResource()).__enter__(),
            "STARVEC_READMES",
        ),
    ],
    ids=["stars", "awesome lists", "developers", "dataset", "READMEs"],
)
def test_an_error_names_the_setting_that_would_help(resource: Any, open_resource: Callable[[Any], Any], variable: str):
    with pytest.raises(StarvecError, match=rf"/nowhere.*\({variable} sets it\)$"):
        open_resource(resource)


def test_training_and_ingest_have_pools_of_their_own(loaded: dg.Definitions):
    pools = {
        key: loaded.resolve_assets_def(key).op.pool
        for key in ("trained_embeddings", "raw_stars", "readme_init_vectors")
    }
    assert pools == {"trained_embeddings": "gpu", "raw_stars": "gharchive", "readme_init_vectors": None}


def test_a_changed_default_is_another_code_version():
    class Config(dg.Config):
        epochs: int = 3

    class Changed(dg.Config):
        epochs: int = 4

    assert code_version("1", Config) != code_version("1", Changed)
    assert code_version("1", Config) == code_version("1", Config) != code_version("2", Config)


def test_the_environment_sets_the_resources():
    resources = from_environment(
        {"STARVEC_SOURCE": "sample", "STARVEC_DEVICE": "cpu", "STARVEC_MEMORY_GB": "1.5"}
        | {"STARVEC_GITHUB_REQUESTS": "20000", "STARVEC_GITHUB_HOURS": "4.5"}
    )
    assert resources["star_source"].location == "sample"
    assert resources["gpu"].device == "cpu"
    assert resources["duckdb"].memory_limit_gb == 1.5
    assert (resources["github"].max_requests, resources["github"].max_hours) == (20_000, 4.5)
    assert from_environment({})["star_source"].location == "https://data.gharchive.org"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STARVEC_MEMORY_GB", "lots"),
        ("STARVEC_DEVICE", "gpu"),
        ("STARVEC_ENCODER", "bert"),
        ("STARVEC_GITHUB_REQUESTS", "-1"),
        ("STARVEC_GITHUB_HOURS", "0"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(variable: str, value: str):
    with pytest.raises(StarvecError, match=f"^{variable} is '{value}': it should be .*operation.md"):
        from_environment({variable: value})


def test_untrusted_text_is_escaped_in_markdown_tables():
    text = markdown_table(["name"], [["<img src=x> [a](javascript:b) | c\r# d\u2028e"]])
    for character in "<>[]()":
        assert character not in text
    assert text.count("|") == 2 + 2 + 2
    assert len(text.splitlines()) == 3


def test_an_installed_package_prepares_its_home_without_the_checkout(tmp_path: Path):
    shutil.copytree(PACKAGE, tmp_path / "site" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from starvec_assets.cli.environment import prepare_home; prepare_home()"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "STARVEC_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)
    assert f'base_dir: "{tmp_path}/home/dagster/storage"' in (tmp_path / "home/dagster.yaml").read_text()
