"""Where the versions of an asset are and where its code is, in the metadata that Dagster has a place for."""

import inspect
import warnings
from collections.abc import Iterable

import dagster as dg

from starvec_assets.paths import home


def with_addresses(assets: Iterable[dg.AssetsDefinition], bucket: str) -> list[dg.AssetsDefinition]:
    """Return the assets with the address of their versions, in `bucket` or in STARVEC_HOME, and links to their code."""
    artifacts = bucket.rstrip("/") or (home() / "artifacts").absolute().as_uri()

    def with_address(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
        function = inspect.unwrap(asset.op.compute_fn.decorated_fn)  # type: ignore[union-attr]
        code = _link(inspect.getfile(function), inspect.getsourcelines(function)[1])

        def add(spec: dg.AssetSpec) -> dg.AssetSpec:
            address = f"{artifacts}/{spec.key.to_user_string()}"
            return spec.merge_attributes(metadata={"dagster/uri": address, "dagster/code_references": code})

        return asset.map_asset_specs(add)

    return [with_address(asset) for asset in assets]


def _link(file: str, line: int) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster 1.13 prints one for each
        return dg.CodeReferencesMetadataValue(
            code_references=[dg.LocalFileCodeReference(file_path=file, line_number=line)]
        )
