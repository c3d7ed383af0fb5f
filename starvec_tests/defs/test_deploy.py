"""deploy/ fits what it is written for: schemas of Dagster and Kubernetes, the Helm chart's fields, this package."""

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_gcp.gcs.compute_log_manager import GCSComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import UserDefinedDagsterK8sConfig, get_user_defined_k8s_config
from dagster_k8s.models import k8s_model_from_dict
from dagster_postgres import DagsterPostgresStorage
from kubernetes.client import models

from starvec_assets.definitions import defs
from starvec_assets.errors import StarvecError
from starvec_assets.paths import PACKAGE

ROOT = PACKAGE.parent
DEPLOY = ROOT / "deploy"
SCALE = (ROOT / "docs" / "scale.md").read_text()

# Fields of the sections that helm-values.yaml sets, as the chart's own schema had them in November 2026: a test cannot
# fetch the chart. What has no fields here is defined by Kubernetes or Dagster, and checked below.
CHART = yaml.safe_load("""
global: {postgresqlSecretName: , dagsterHome: , serviceAccountName: }
serviceAccount: {create: , name: , annotations: }
generatePostgresqlPasswordSecret:
postgresql:
  {enabled: , postgresqlScheme: , postgresqlHost: , postgresqlUsername: , postgresqlDatabase: , service: {port: }}
dagsterWebserver: &pod
  image: {repository: , tag: , pullPolicy: }
  service: {type: , port: , annotations: }
  envConfigMaps:
  envSecrets:
  podSecurityContext:
  resources:
  volumes:
  volumeMounts:
dagster-user-deployments:
  enabled:
  enableSubchart:
  deployments: {<<: *pod, name: , port: , dagsterApiGrpcArgs: , env: , includeConfigInLaunchedRuns: {enabled: }}
dagsterDaemon:
  <<: *pod
  enabled:
  runCoordinator: {enabled: , type: , config: }
  runMonitoring:
    {enabled: , startTimeoutSeconds: , cancelTimeoutSeconds: , pollIntervalSeconds: , freeSlotsAfterRunEndSeconds: }
  runRetries: {enabled: , maxRetries: }
runLauncher:
  type:
  config:
    k8sRunLauncher:
      imagePullPolicy:
      envConfigMaps:
      envSecrets:
      envVars:
      resources:
      runK8sConfig: {containerConfig: , podSpecConfig: , podTemplateSpecMetadata: , jobSpecConfig: , jobMetadata: }
computeLogManager: {type: , config: {gcsComputeLogManager: {bucket: , prefix: , uploadInterval: , localDir: }}}
retention: {enabled: , schedule: {purgeAfterDays: }, sensor: {purgeAfterDays: }}
pythonLogs: {pythonLogLevel: , managedPythonLoggers: , dagsterHandlerConfig: }
telemetry: {enabled: }
additionalInstanceConfig:
""")


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return loaded


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return load("helm-values.yaml")


def unknown_fields(value: Any, known: dict[str, Any] | None, path: str = "") -> list[str]:
    """Paths of fields that `known` lacks."""
    if isinstance(value, list):
        return [field for entry in value for field in unknown_fields(entry, known, path)]
    if not isinstance(value, dict) or known is None:
        return []
    return [
        field
        for key, below in value.items()
        for field in (unknown_fields(below, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"])
    ]


def test_the_values_have_only_fields_of_the_chart(values: dict[str, Any]):
    assert unknown_fields(values, CHART) == []
    assert unknown_fields(values | {"telemetry": {"enable": False}}, CHART) == [".telemetry.enable"]


def snake_case(fields: dict[str, Any]) -> dict[str, Any]:
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): value for key, value in fields.items()}


def instance(values: dict[str, Any]) -> dict[str, Any]:
    """The dagster.yaml that the chart makes of the values, as far as they set it."""
    daemon, retention, logs = values["dagsterDaemon"], values["retention"], values["computeLogManager"]["config"]
    postgres = values["postgresql"]
    database = {
        "scheme": postgres["postgresqlScheme"],
        "username": postgres["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": postgres["postgresqlHost"],
        "db_name": postgres["postgresqlDatabase"],
        "port": postgres["service"]["port"],
    }
    return {
        "storage": {"postgres": {"postgres_db": database}},
        "run_monitoring": snake_case(daemon["runMonitoring"]),
        "retention": {kind: snake_case(retention[kind]) for kind in ("schedule", "sensor")},
        "python_logs": snake_case(values["pythonLogs"]),
        "telemetry": values["telemetry"],
        "run_launcher": {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": launcher(values) | {"instance_config_map": "i", "dagster_home": "/opt/dagster"},
        },
        "compute_logs": {
            "module": "dagster_gcp.gcs.compute_log_manager",
            "class": "GCSComputeLogManager",
            "config": snake_case(logs["gcsComputeLogManager"]),
        },
        **values["additionalInstanceConfig"],
    }


def launcher(values: dict[str, Any]) -> dict[str, Any]:
    config = snake_case(values["runLauncher"]["config"]["k8sRunLauncher"])
    config["run_k8s_config"] = snake_case(config["run_k8s_config"])
    return config | {"service_account_name": values["global"]["serviceAccountName"]}


@pytest.mark.parametrize("name", ["helm-values.yaml", "compose/dagster.yaml"])
def test_dagster_knows_every_setting_of_the_instance(name: str):
    deployed = load(name)
    if name == "helm-values.yaml":
        deployed = instance(deployed)
    checked = [
        (dg.Shape(dagster_instance_config_schema()), deployed),
        (DagsterPostgresStorage.config_type(), deployed["storage"]["postgres"]),
    ]
    if "run_launcher" in deployed:
        checked += [
            (K8sRunLauncher.config_type(), deployed["run_launcher"]["config"]),
            (GCSComputeLogManager.config_type(), deployed["compute_logs"]["config"]),
        ]
    for schema, config in checked:
        result = validate_config(schema, config)
        assert result.success, result.errors
        assert not validate_config(schema, {**config, "no_such_field": 1}).success


def test_kubernetes_knows_what_the_pods_are_given(values: dict[str, Any]):
    [code] = values["dagster-user-deployments"]["deployments"]
    for pod in (code, values["dagsterWebserver"], values["dagsterDaemon"]):
        k8s_model_from_dict(models.V1PodSecurityContext, snake_case(pod["podSecurityContext"]))
        for source in pod["envConfigMaps"]:
            k8s_model_from_dict(models.V1ConfigMapEnvSource, source)
    claim = load("home-claim.yaml")
    assert claim["metadata"]["name"] == code["volumes"][0]["persistentVolumeClaim"]["claimName"]
    k8s_model_from_dict(models.V1PersistentVolumeClaimSpec, snake_case(claim["spec"]))
    for volume in code["volumes"]:
        claim = volume["persistentVolumeClaim"]
        k8s_model_from_dict(models.V1Volume, {"name": volume["name"], "persistent_volume_claim": snake_case(claim)})
    for mount in code["volumeMounts"]:
        k8s_model_from_dict(models.V1VolumeMount, snake_case(mount))
    k8s_model_from_dict(models.V1ResourceRequirements, code["resources"])
    UserDefinedDagsterK8sConfig.from_dict(launcher(values)["run_k8s_config"])
    with pytest.raises(Exception, match=r"Unexpected keys in model class V1PodSecurityContext: \{'run_as'\}"):
        k8s_model_from_dict(models.V1PodSecurityContext, {"run_as": 1})


def test_every_pod_has_the_same_image_whose_module_loads(values: dict[str, Any]):
    [code] = values["dagster-user-deployments"]["deployments"]
    assert code["image"] == values["dagsterWebserver"]["image"] == values["dagsterDaemon"]["image"]
    assert code["dagsterApiGrpcArgs"] == ["--module-name", "starvec_assets.definitions"]
    assert code["env"]["STARVEC_EXECUTOR"] == "kubernetes"


def test_the_commands_give_what_the_values_refer_to(values: dict[str, Any]):
    for word in (
        "configmap starvec-settings",
        "--from-literal=STARVEC_LOG_BUCKET=",
        "secret generic starvec-postgres --from-literal=postgresql-password=",
        f"serviceaccount {values['global']['serviceAccountName']}",
        "claim `starvec-home`",
        "--values deploy/helm-values.yaml",
    ):
        assert word in SCALE, word
    for place in ("REGISTRY", "TAG", "POSTGRES_HOST"):
        assert place in (DEPLOY / "helm-values.yaml").read_text()
        assert place in SCALE


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


def test_postgres_and_folders_are_all_that_compose_has_unlike_the_packaged_instance():
    deployed, packaged = load("compose/dagster.yaml"), yaml.safe_load((PACKAGE / "dagster.yaml").read_text())
    for settings in (deployed, packaged):
        for name in ("storage", "compute_logs", "local_artifact_storage"):
            del settings[name]
    assert deployed == packaged


def test_compose_publishes_nothing_but_the_webserver_on_this_machine_alone():
    services = load("compose/compose.yaml")["services"]
    assert {name: service.get("ports") for name, service in services.items()} == {
        **dict.fromkeys(("postgres", "code", "daemon")),
        "webserver": ["127.0.0.1:3000:3000"],
    }
    for name, service in services.items():
        assert "test" in service["healthcheck"], name
        assert service["restart"] == "unless-stopped"
        assert not [value for value in service["environment"].values() if "PASSWORD" in value and "?" not in value]
    [server] = load("compose/workspace.yaml")["load_from"]
    assert server["grpc_server"] == {"host": "code", "port": 4000, "location_name": "starvec"}


def dockerfile() -> list[list[str]]:
    """The instructions of the Dockerfile, in words."""
    lines = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text()).splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_what_the_image_copies_is_there_and_let_through():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    sources = {
        source
        for instruction, *words in dockerfile()
        if instruction == "COPY" and not words[0].startswith("--from")
        for source in words[:-1]
    }
    assert {PurePosixPath(source).parts[0] for source in sources} == kept
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_is_pinned_and_does_not_run_as_root():
    instructions = dockerfile()
    bases = {words[1] for words in instructions if words[0] == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases.pop())
    assert [words[1] for words in instructions if words[0] == "USER"][-1] == "10001:10001"
    installs = [" ".join(words) for words in instructions if words[:3] == ["RUN", "pip", "install"]]
    pinned = ("--require-hashes", "--constraint constraints.txt", "--no-build-isolation")
    assert all(option in line for option, line in zip(pinned, installs, strict=True))


def test_the_image_has_what_its_extras_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = [requirement for extra in ("scale", "gcs", "bigquery") for requirement in project[extra]]
    lines = (ROOT / "requirements" / "deploy.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    assert {re.split(r"[<>=]", requirement)[0] for requirement in extras} <= pinned
    assert {"hatchling", "psycopg2-binary", "kubernetes"} <= pinned
