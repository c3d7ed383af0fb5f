"""deploy/dagster.yaml matches Dagster's schemas, and the training step requests a GPU of Kubernetes."""

import importlib
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_gcp.gcs.compute_log_manager import GCSComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import get_user_defined_k8s_config
from dagster_postgres import DagsterPostgresStorage

from starvec_assets.definitions import defs
from starvec_assets.errors import StarvecError

DEPLOY = Path(__file__).parents[2] / "deploy" / "dagster.yaml"


@pytest.fixture
def deployed() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DEPLOY.read_text())
    return loaded


def test_every_key_of_the_instance_is_known_to_dagster(deployed: dict[str, Any]):
    result = validate_config(dg.Shape(dagster_instance_config_schema()), deployed)
    assert result.success, result.errors


def test_every_part_matches_its_schema(deployed: dict[str, Any]):
    parts = [
        (K8sRunLauncher, deployed["run_launcher"]["config"]),
        (GCSComputeLogManager, deployed["compute_logs"]["config"]),
        (DagsterPostgresStorage, deployed["storage"]["postgres"]),
    ]
    for part, config in parts:
        result = validate_config(part.config_type(), config)
        assert result.success, result.errors
        wrong = validate_config(part.config_type(), {**config, "no_such_field": 1})
        assert not wrong.success
    for name in ("run_launcher", "compute_logs"):
        named = getattr(importlib.import_module(deployed[name]["module"]), deployed[name]["class"])
        assert named in (K8sRunLauncher, GCSComputeLogManager)


def test_its_variables_are_passed_to_the_runs(deployed: dict[str, Any]):
    launcher = deployed["run_launcher"]["config"]
    assert all("=" in entry for entry in launcher["env_vars"]), (
        "one without a value stops every run where it is not set"
    )
    assert launcher["env_config_maps"] == ["starvec-settings"]
    docs = (DEPLOY.parents[1] / "docs/scale.md").read_text()
    given = set(re.findall(r"--from-literal=(\w+)=", docs.partition("configmap starvec-settings")[2]))
    needed = {line.split("env:")[1].strip(" }") for line in DEPLOY.read_text().splitlines() if "{env:" in line}
    assert needed - given == {"DAGSTER_PG_PASSWORD"}  # of postgres_password_secret


def test_only_training_steps_request_a_gpu():
    wanting = {}
    for assets_def in defs().resolve_asset_graph().assets_defs:
        config = get_user_defined_k8s_config(assets_def.op.tags)  # raises where Kubernetes would not take it
        if limits := config.container_config.get("resources", {}).get("limits"):
            wanting[assets_def.op.name] = limits
    assert set(wanting) == {"trained_embeddings", "training_leaderboard"}
    assert wanting["trained_embeddings"] == {"nvidia.com/gpu": "1"}


def test_the_kubernetes_executor_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_EXECUTOR", "kubernetes")
    executor = defs().executor
    assert isinstance(executor, dg.ExecutorDefinition)
    assert executor.name == "k8s"
    monkeypatch.setenv("STARVEC_EXECUTOR", "nomad")
    with pytest.raises(StarvecError, match="STARVEC_EXECUTOR is 'nomad'"):
        defs()
    monkeypatch.delenv("STARVEC_EXECUTOR")
    assert defs().executor is None
