import dagster as dg
from pydantic import Field

from starvec_assets.defs.resources import AwesomeSource, GpuResource
from starvec_assets.defs.unlike_defaults import unlike_defaults


class Config(dg.Config):
    epochs: int = 8
    rows: list[str] = Field(default_factory=list)
    label: str = "x"


def test_fields_of_config_and_resources_are_named_with_value_and_default():
    resources = {"gpu": GpuResource(device="cpu"), "awesome_source": AwesomeSource()}
    assert unlike_defaults(Config(epochs=5), resources) == "epochs 5 (default 8), gpu.device cpu (default auto)"
    assert unlike_defaults(Config(), {}) == ""


def test_long_values_are_shortened_and_empty_ones_visible():
    shown = unlike_defaults(Config(rows=["a" * 100], label=""), {})
    assert shown == f'rows ["{"a" * 55}... (default []), label "" (default x)'
