-- repo_catalog from the months' stars.parquet ($stars) and repos.parquet ($repos), and from the repositories in people's
-- own lists of stars (view listed, $lists the stars). A day there counts from its beginning.
-- Each step is one aggregation over plain columns, which DuckDB spills to disk when its memory is full.

-- name: create_names
CREATE OR REPLACE TEMP TABLE names AS
SELECT repo_id, name, max(last_seen) AS last_seen FROM (
    SELECT repo_id, repo_name AS name, starred_at AS last_seen FROM read_parquet($stars) WHERE repo_name IS NOT NULL
    UNION ALL
    SELECT repo_id, name, last_seen FROM read_parquet($repos)
    UNION ALL
    SELECT repo_id, name, seen::TIMESTAMPTZ FROM listed
) GROUP BY repo_id, name

-- name: create_star_counts
CREATE OR REPLACE TEMP TABLE star_counts AS
SELECT repo_id, count(*) AS stars, min(first_seen) AS first_seen FROM (
    SELECT repo_id, user_id, min(starred_at) AS first_seen FROM read_parquet($stars || $lists) GROUP BY repo_id, user_id
) GROUP BY repo_id

-- name: create_facts
CREATE OR REPLACE TEMP TABLE facts AS
SELECT
    repo_id,
    arg_max(description, last_seen) AS description,
    arg_max(language, last_seen) AS language,
    arg_max(topics, last_seen) AS topics,
    arg_max(stargazers, last_seen) AS stargazers,
    arg_max(created_at, last_seen) AS created_at,
    arg_max(pushed_at, last_seen) AS pushed_at,
    arg_max(archived, last_seen) AS archived
FROM (
    SELECT * EXCLUDE name FROM read_parquet($repos)
    UNION ALL BY NAME
    SELECT * EXCLUDE (name, seen), seen::TIMESTAMPTZ AS last_seen FROM listed
) GROUP BY repo_id

-- name: create_catalogue
CREATE OR REPLACE TEMP TABLE catalogue AS
WITH names_by_repo AS (
    SELECT repo_id, list(name ORDER BY last_seen, name) AS names, list(last_seen ORDER BY last_seen, name) AS seen
    FROM names GROUP BY repo_id
)
SELECT
    repo_id, names[-1] AS name, names[:-2] AS former_names, seen[:-2] AS former_names_seen,
    description, language, topics, first_seen, seen[-1] AS last_seen, stars, stargazers,
    created_at, pushed_at, archived
FROM star_counts JOIN names_by_repo USING (repo_id) LEFT JOIN facts USING (repo_id)

-- name: repos_without_facts
SELECT repo_id FROM catalogue
WHERE description IS NULL OR language IS NULL
ORDER BY stars DESC, repo_id LIMIT $max_requests

-- name: filled_catalogue
SELECT
    repo_id, name, former_names, former_names_seen,
    coalesce(c.description, a.description) AS description,
    coalesce(c.language, a.language) AS language,
    coalesce(c.topics, a.topics) AS topics,
    first_seen, last_seen, stars,
    coalesce(c.stargazers, a.stargazers) AS stargazers,
    created_at, pushed_at, archived
FROM catalogue c LEFT JOIN answers a USING (repo_id)
ORDER BY repo_id

-- name: summary
SELECT count(*), count(*) FILTER (len(former_names) > 0), count(description), count(language)
FROM read_parquet($path)

-- name: repo_ids
-- A name belongs to the repository that was seen with it last, then to the more starred one, then to the older number.
SELECT name, arg_max(repo_id, (seen, stars, -repo_id)) FROM (
    SELECT lower(name) AS name, last_seen AS seen, stars, repo_id FROM read_parquet($path)
    UNION ALL
    SELECT lower(former_name::VARCHAR), seen, stars, repo_id FROM (
        SELECT unnest(former_names) AS former_name, unnest(former_names_seen) AS seen, stars, repo_id
        FROM read_parquet($path)
    )
) WHERE name IN (SELECT unnest($names::VARCHAR[])) GROUP BY name
