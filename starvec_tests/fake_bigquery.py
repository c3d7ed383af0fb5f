"""A server with the part of BigQuery's REST API that the real client uses; queries are transpiled to DuckDB.

It also issues the token of the service account; tables have the columns of GH Archive's.
"""

import json
import re
import threading
from collections.abc import Iterable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlglot import exp

PROJECT = "stars-of-tests"
COLUMNS = {
    "type": 1,
    "id": 1,
    "created_at": 8,
    "payload": 1,
    "actor.id": 8,
    "actor.login": 1,
    "repo.id": 8,
    "repo.name": 1,
}
TYPES = {"BIGINT": "INTEGER", "HUGEINT": "INTEGER", "INTEGER": "INTEGER", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
TYPES |= {"DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN"}
TABLE = """(suffix VARCHAR, type VARCHAR, public BOOLEAN, payload VARCHAR,
    repo STRUCT(id BIGINT, name VARCHAR, url VARCHAR), actor STRUCT(id BIGINT, login VARCHAR, url VARCHAR),
    created_at TIMESTAMPTZ, id VARCHAR)"""


class ApiError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class FakeBigQuery:
    """`error` makes every query fail with it; `job_requests` are the bodies of all requests for a job."""

    def __init__(self, folder: Path) -> None:
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        for kind in ("month", "day"):
            self.db.execute(f"CREATE TABLE {kind}_tables {TABLE}")
        self.jobs: dict[str, dict[str, Any]] = {}
        self.job_requests: list[dict[str, Any]] = []
        self.pages: list[int] = []
        self.error: ApiError | None = None
        self.lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.respond(self, None)

            def do_POST(self) -> None:
                fake.respond(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.key = folder / "service-account.json"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.key.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": PROJECT,
                    "private_key_id": "1",
                    "private_key": pem.decode(),
                    "client_email": "tests@example.com",
                    "token_uri": f"{self.url}/token",
                }
            )
        )

    def __enter__(self) -> "FakeBigQuery":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.db.close()

    def load(self, table: str, events: Iterable[dict[str, Any]]) -> None:
        """Insert events into month.YYYYMM or day.YYYYMMDD."""
        kind, _, name = table.partition(".")
        rows = [
            {
                "suffix": name[2:],
                "type": e.get("type"),
                "public": True,
                "payload": json.dumps(e.get("payload")),
                "repo": {"id": e["repo"].get("id"), "name": e["repo"].get("name"), "url": ""},
                "actor": {"id": e["actor"].get("id"), "login": e["actor"].get("login"), "url": ""},
                "created_at": datetime.fromisoformat(e["created_at"]),
                "id": e.get("id"),
            }
            for e in events
        ]
        texts = pa.struct([("id", pa.int64()), ("name", pa.string()), ("url", pa.string())])
        actor = pa.struct([("id", pa.int64()), ("login", pa.string()), ("url", pa.string())])
        schema = pa.schema(
            [
                *((name, pa.string()) for name in ("suffix", "type")),
                ("public", pa.bool_()),
                ("payload", pa.string()),
                ("repo", texts),
                ("actor", actor),
                ("created_at", pa.timestamp("us", "UTC")),
                ("id", pa.string()),
            ]
        )
        loaded = pa.Table.from_pylist(rows, schema)
        self.db.execute(f"INSERT INTO {kind}_tables BY NAME SELECT * FROM loaded")
        del loaded

    def respond(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        url = urlparse(handler.path)
        options = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            code, result = 200, self._result(url.path, options, body)
        except ApiError as api_error:
            error = {"reason": api_error.reason, "message": str(api_error)}
            code, result = (
                api_error.code,
                {"error": {"code": api_error.code, "message": str(api_error), "errors": [error]}},
            )
        data = json.dumps(result).encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _result(self, path: str, options: dict[str, str], body: bytes | None) -> dict[str, Any]:
        if path == "/token":
            return {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}
        path = path.removeprefix("/bigquery/v2/projects/")
        match path.split("/"):
            case [project, "jobs"] if body is not None:
                with self.lock:
                    return self._insert(project, json.loads(body))
            case [_, "jobs", job]:
                return self.jobs[job]["resource"]
            case [_, "queries", job]:
                return self._rows(self.jobs[job], options)
            case [_, "datasets", _, "tables", job, "data"]:
                return self._rows(self.jobs[job], options)
            case [project, "datasets", kind, "tables"]:
                names = self.db.execute(f"SELECT DISTINCT suffix FROM {kind}_tables ORDER BY suffix").fetchall()
                at = {"projectId": project, "datasetId": kind}
                tables = [{"tableReference": at | {"tableId": f"20{name}"}, "type": "TABLE"} for (name,) in names]
                return {"tables": tables, "totalItems": len(tables)}
        raise ApiError(404, "notFound", f"Not found: {path}")

    def _insert(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        self.job_requests.append(body)
        if self.error:
            raise self.error
        config = body["configuration"]
        sql = config["query"]["query"]
        size = self._bytes(sql)
        job_id = body.get("jobReference", {}).get("jobId", f"job{len(self.jobs)}")
        if job_id in self.jobs:
            raise ApiError(409, "duplicate", f"Already Exists: Job {job_id}")
        at = {"projectId": project, "jobId": job_id, "location": "US"}
        table = {"projectId": project, "datasetId": "_anonymous", "tableId": job_id}
        limit = int(config["query"].get("maximumBytesBilled", 1 << 62))
        status: dict[str, Any] = {"state": "DONE"}
        result, dry = pa.table({}), config.get("dryRun", False)
        statement = _parse(sql)
        if size > limit:
            message = f"Query exceeded limit for bytes billed: {limit}. {size} or higher required."
            status["errorResult"] = {"reason": "bytesBilledLimitExceeded", "message": message}
            status["errors"] = [status["errorResult"]]
        else:
            query = statement.this if isinstance(statement, exp.Export) else statement
            result = self._run(query, dry)
            if isinstance(statement, exp.Export) and not dry:
                _export(statement, result)
        resource = {
            "kind": "bigquery#job",
            "id": f"{project}:US.{job_id}",
            "jobReference": at,
            "configuration": config | {"query": config["query"] | {"destinationTable": table}, "jobType": "QUERY"},
            "status": status,
            "statistics": {
                "totalBytesProcessed": str(size),
                "query": {
                    "totalBytesProcessed": str(size),
                    "totalBytesBilled": "0" if dry or "errorResult" in status else str(size),
                    "cacheHit": False,
                    "statementType": "SELECT",
                },
            },
        }
        self.jobs[job_id] = {"resource": resource, "at": at, "result": result}
        return resource

    def _run(self, query: exp.Expression, dry: bool) -> pa.Table:
        for table in list(query.find_all(exp.Table)):
            if table.db:
                table.replace(sqlglot.parse_one(f"(SELECT *, suffix AS _TABLE_SUFFIX FROM {table.db}_tables)"))
        sql = query.sql("duckdb")
        try:
            return self.db.sql(f"EXPLAIN {sql}" if dry else sql).to_arrow_table()
        except duckdb.Error as error:
            raise ApiError(400, "invalidQuery", f"{error}\n{sql}") from error

    def _bytes(self, sql: str) -> int:
        """Return the size of the columns that the query names in the tables that it names: what BigQuery bills."""
        total = 0
        for kind, suffixes in re.findall(r"\.(month|day)\.20\*` WHERE _TABLE_SUFFIX IN \(([^)]*)\)", sql):
            sizes = [
                f"sum(strlen({column}))" if width == 1 else f"count({column}) * {width}"
                for column, width in COLUMNS.items()
                if re.search(rf"\b{re.escape(column)}\b", sql)
            ]
            where = f"FROM {kind}_tables WHERE suffix IN ({suffixes})"
            [row] = self.db.execute(f"SELECT {', '.join(sizes)} {where}").fetchall()
            total += int(sum(size or 0 for size in row))
        return total

    def _rows(self, job: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
        result, start = job["result"], int(options.get("pageToken", options.get("startIndex", "0")))
        error = job["resource"]["status"].get("errorResult")
        if error:
            raise ApiError(400, error["reason"], error["message"])
        count = min(int(options.get("maxResults", 1000)), 1000)
        self.pages.append(count)
        # BigQuery has no null lists
        repeated = [pa.types.is_list(field.type) for field in result.schema]
        rows = [
            {"f": [{"v": _cell([] if many and x is None else x)} for x, many in zip(row, repeated, strict=True)]}
            for row in zip(*(column.to_pylist() for column in result.slice(start, count).columns), strict=True)
        ]
        answer: dict[str, Any] = {
            "kind": "bigquery#queryResponse",
            "jobReference": job["at"],
            "jobComplete": True,
            "totalRows": str(len(result)),
            "schema": {"fields": [_field(f) for f in result.schema]},
        }
        if count:
            answer["rows"] = rows
        if count and start + count < len(result):
            answer["pageToken"] = str(start + count)
        return answer


def _parse(sql: str) -> exp.Expression:
    try:
        return sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.ParseError as error:
        raise ApiError(400, "invalidQuery", f"Syntax error: {error}") from error


def _field(field: pa.Field) -> dict[str, str]:
    repeated = pa.types.is_list(field.type)
    kind = field.type.value_type if repeated else field.type
    name = "STRING"
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        name = "INTEGER"
    elif pa.types.is_timestamp(kind):
        name = "TIMESTAMP"
    elif pa.types.is_floating(kind):
        name = "FLOAT"
    return {"name": field.name, "type": name, "mode": "REPEATED" if repeated else "NULLABLE"}


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return [{"v": _cell(x)} for x in value]
    if isinstance(value, datetime):
        return str(round(value.timestamp() * 1_000_000))
    return None if value is None else str(value)


def _export(statement: exp.Export, result: pa.Table) -> None:
    """Write two files in place of the URI's star: BigQuery may write any number."""
    options = statement.args["options"]
    [uri] = [p.args["value"].this for p in options.expressions if p.this and getattr(p.this, "name", "") == "uri"]
    half = len(result) // 2
    for nth, rows in enumerate((result.slice(0, half), result.slice(half))):
        path = uri.replace("*", f"{nth:012}")
        files, name = fsspec.core.url_to_fs(path)
        files.makedirs(name.rsplit("/", 1)[0], exist_ok=True)
        with files.open(name, "wb") as file:
            pq.write_table(rows, file)
