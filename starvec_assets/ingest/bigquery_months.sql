-- One query for the stars, repository facts and hour counts of several months, over GH Archive's tables in BigQuery.
-- Placeholders are filled in from event_schema.py. Common table expressions come first, in order; then three kinds of
-- rows of one shape, whose columns that do not apply are null. Facts are taken as hour_parser.py takes them: of an hour
-- and kind of event the first {max_repo_facts} repositories with any fact, event ids being the order of the lines.

-- name: table_events
SELECT
    CONCAT('20', SUBSTR(_TABLE_SUFFIX, 1, 2), '-', SUBSTR(_TABLE_SUFFIX, 3, 2)) AS month,
    TIMESTAMP_TRUNC(created_at, HOUR) AS hour, type, SAFE_CAST(id AS INT64) AS event_id, {table_columns}
FROM `{tables}` WHERE _TABLE_SUFFIX IN ({suffixes})

-- name: watch_events
SELECT month, hour, event_id, {star_columns} FROM events WHERE type = '{watch_event}'

-- name: judged_stars
SELECT *, CASE WHEN {missing_field} THEN 'missing_fields' WHEN NOT ({valid_star}) THEN 'bad_values' END AS reason
FROM watch_events

-- name: stars
SELECT * FROM judged_stars WHERE reason IS NULL

-- name: event_counts
SELECT month, hour, COUNT(*) AS events FROM events GROUP BY month, hour

-- name: star_counts
SELECT
    month, hour,
    COUNTIF(reason IS NULL) AS stars,
    COUNTIF(reason = 'missing_fields') AS missing_fields,
    COUNTIF(reason = 'bad_values') AS bad_values,
    APPROX_QUANTILES(event_id, 2)[OFFSET(1)] AS event_id
FROM judged_stars GROUP BY month, hour

-- name: fact_events
SELECT
    month, hour, event_id, {repo_id} AS repo_id, {repo_name} AS repo_name,
    CASE type {event_ranks} END AS rank, {fact_columns}
FROM events WHERE type IN ({fact_events})

-- name: facts_by_repo
SELECT *, row_number() OVER (PARTITION BY month, hour, rank, repo_id ORDER BY event_id) AS nth
FROM fact_events
WHERE COALESCE(description, language, topics, pushed_at, stargazers_count) IS NOT NULL AND {valid_repo}

-- name: numbered_facts
SELECT *, row_number() OVER (PARTITION BY month, hour, rank ORDER BY event_id, repo_id) AS number
FROM facts_by_repo WHERE nth = 1

-- name: star_rows
SELECT
    'star' AS kind, month, hour, user_id, user_login, repo_id, repo_name, starred_at,
    NULL AS rank, NULL AS description, NULL AS language, NULL AS topics, NULL AS pushed_at, NULL AS stargazers_count,
    NULL AS events, NULL AS stars, NULL AS missing_fields, NULL AS bad_values, NULL AS event_id
FROM stars

-- name: hour_rows
SELECT
    'hour' AS kind, month, hour, NULL AS user_id, NULL AS user_login, NULL AS repo_id, NULL AS repo_name,
    NULL AS starred_at, NULL AS rank, NULL AS description, NULL AS language, NULL AS topics, NULL AS pushed_at,
    NULL AS stargazers_count, events, stars, missing_fields, bad_values, event_id
FROM event_counts LEFT JOIN star_counts USING (month, hour)

-- name: fact_rows
SELECT
    'facts' AS kind, month, hour, NULL AS user_id, NULL AS user_login, repo_id, repo_name, NULL AS starred_at,
    rank, description, language, topics, pushed_at, stargazers_count,
    NULL AS events, NULL AS stars, NULL AS missing_fields, NULL AS bad_values, NULL AS event_id
FROM numbered_facts WHERE number <= {max_repo_facts}
