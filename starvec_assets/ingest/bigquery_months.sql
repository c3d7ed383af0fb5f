-- One query for the stars, repository facts, active people and hour counts of several months, over GH Archive's tables
-- in BigQuery. Placeholders are filled in from event_schema.py. Common table expressions come first, in order; then four
-- kinds of rows of one shape, whose columns that do not apply are null. Facts are taken as hour_parser.py takes them: of an hour
-- and kind of event the first {max_repo_facts} repositories with any fact, event ids being the order of the lines.

-- name: table_events
SELECT
    CONCAT('20', SUBSTR(_TABLE_SUFFIX, 1, 2), '-', SUBSTR(_TABLE_SUFFIX, 3, 2)) AS month,
    TIMESTAMP_TRUNC(created_at, HOUR) AS hour, type, SAFE_CAST(id AS INT64) AS event_id, {table_columns}
FROM `{tables}` WHERE _TABLE_SUFFIX IN ({suffixes})

-- name: watch_events
SELECT month, hour, event_id, {star_columns} FROM events WHERE type = '{watch_event}'

-- name: judged_stars
SELECT *, CASE
    WHEN {missing_field} THEN 'missing_fields'
    WHEN NOT ({valid_star}) THEN 'bad_values'
    WHEN FORMAT_TIMESTAMP('%Y-%m', TIMESTAMP_SUB(starred_at, {tolerance})) > month THEN 'future'
    WHEN starred_at > CURRENT_TIMESTAMP() THEN 'future'
END AS reason
FROM watch_events

-- name: stars
SELECT * FROM judged_stars WHERE reason IS NULL

-- name: event_counts
SELECT
    month, hour, COUNT(*) AS events,
    APPROX_QUANTILES(IF(type = '{push_event}', event_id, NULL), 2)[OFFSET(1)] AS push_event_id
FROM events GROUP BY month, hour

-- name: star_counts
SELECT
    month, hour,
    COUNTIF(reason IS NULL) AS stars,
    COUNTIF(reason = 'missing_fields') AS missing_fields,
    COUNTIF(reason = 'bad_values') AS bad_values,
    COUNTIF(reason = 'future') AS future,
    APPROX_QUANTILES(IF(reason IS NULL, event_id, NULL), 2)[OFFSET(1)] AS star_event_id
FROM judged_stars GROUP BY month, hour

-- name: days_of_people
-- A row a person and day, with the newest login of the day; the sample of active_people.py.
SELECT
    month, hour, actor_id AS user_id, actor_login AS user_login,
    row_number() OVER (
        PARTITION BY month, TIMESTAMP_TRUNC(hour, DAY), actor_id ORDER BY hour DESC, actor_login DESC
    ) AS nth
FROM events WHERE {sampled_person}

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
    NULL AS events, NULL AS stars, NULL AS missing_fields, NULL AS bad_values, NULL AS future,
    NULL AS star_event_id, NULL AS push_event_id
FROM stars

-- name: hour_rows
SELECT
    'hour' AS kind, month, hour, NULL AS user_id, NULL AS user_login, NULL AS repo_id, NULL AS repo_name,
    NULL AS starred_at, NULL AS rank, NULL AS description, NULL AS language, NULL AS topics, NULL AS pushed_at,
    NULL AS stargazers_count, events, stars, missing_fields, bad_values, future, star_event_id, push_event_id
FROM event_counts LEFT JOIN star_counts USING (month, hour)

-- name: people_rows
SELECT
    'person' AS kind, month, hour, user_id, user_login, NULL AS repo_id, NULL AS repo_name, NULL AS starred_at,
    NULL AS rank, NULL AS description, NULL AS language, NULL AS topics, NULL AS pushed_at, NULL AS stargazers_count,
    NULL AS events, NULL AS stars, NULL AS missing_fields, NULL AS bad_values, NULL AS future,
    NULL AS star_event_id, NULL AS push_event_id
FROM days_of_people WHERE nth = 1

-- name: fact_rows
SELECT
    'facts' AS kind, month, hour, NULL AS user_id, NULL AS user_login, repo_id, repo_name, NULL AS starred_at,
    rank, description, language, topics, pushed_at, stargazers_count,
    NULL AS events, NULL AS stars, NULL AS missing_fields, NULL AS bad_values, NULL AS future,
    NULL AS star_event_id, NULL AS push_event_id
FROM numbered_facts WHERE number <= {max_repo_facts}
