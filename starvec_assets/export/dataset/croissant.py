"""croissant.json: the dataset as JSON-LD, by which other tools find its files, columns and types.

The format is Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html, read in 2026-11).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.files import sha256
from starvec_assets.parquet import comments

_CR = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    "includes",
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
    *("replace", "samplingRate", "separator", "source", "subField", "transform"),
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _CR},
}
_FORMATS = {".parquet": "application/x-parquet", ".safetensors": "application/octet-stream"}
_TYPES = (
    (pa.types.is_boolean, "sc:Boolean"),
    (pa.types.is_integer, "sc:Integer"),
    (pa.types.is_floating, "sc:Float"),
    (pa.types.is_date, "sc:Date"),
    (pa.types.is_string, "sc:Text"),
)


def write_croissant(folder: Path, about: Mapping[str, Any]) -> None:
    """Write croissant.json of the Parquet and safetensors files in `folder`; `about` has the facts of the dataset."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in _FORMATS]
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        **about,
        "distribution": [_file_object(path) for path in files],
        "recordSet": [_record_set(path) for path in files if path.suffix == ".parquet"],
    }
    (folder / "croissant.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _file_object(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "encodingFormat": _FORMATS[path.suffix],
        "contentSize": f"{path.stat().st_size} B",
        "sha256": sha256(path),
    }


def _record_set(path: Path) -> dict[str, Any]:
    schema = pq.read_schema(path)
    described = comments(schema)
    return {
        "@type": "cr:RecordSet",
        "@id": path.stem,
        "name": path.stem,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{path.stem}/{field.name}",
                "name": f"{path.stem}/{field.name}",
                "description": described[field.name],
                **_type(field.type),
                "source": {"fileObject": {"@id": path.name}, "extract": {"column": field.name}},
            }
            for field in schema
        ],
    }


def _type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _type(kind.value_type) | {"repeated": True}
    return {"dataType": next(name for is_kind, name in _TYPES if is_kind(kind))}
