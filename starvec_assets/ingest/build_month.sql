-- Merges the cached rows of a month into the rows of raw_stars, raw_repos and raw_people.
-- {rows} is read_hour_files or read_tables, whose $parts are the Parquet files to read.

-- name: read_hour_files
SELECT * EXCLUDE (filename), strptime(parse_filename(filename)[:13], '%Y-%m-%dT%H') AS hour
FROM read_parquet($parts, filename = true)

-- name: read_tables
SELECT * FROM read_parquet($parts)

-- name: create_ranked_stars
-- Of several stars of one user for one repository the first counts. The order is total: rows that tie are equal but for
-- `hour`, which only decides in which hour a repeated star is counted as a duplicate.
CREATE OR REPLACE TEMP TABLE ranked_stars AS
WITH stars AS ({rows})
SELECT
    user_id, user_login, repo_id, repo_name, starred_at, hour,
    row_number() OVER (PARTITION BY user_id, repo_id ORDER BY starred_at, repo_name, user_login, hour) AS nth
FROM stars

-- name: create_repo_facts
-- `newness` differs between all facts of one repository, so the newest value is deterministic. A push that is dated
-- later than a star could be (CLOCK_TOLERANCE) would stay the newest one for ever: it is left out.
CREATE OR REPLACE TEMP TABLE repo_facts AS
WITH facts AS ({rows})
SELECT
    * EXCLUDE (hour, rank) REPLACE (
        CASE WHEN pushed_at < timezone('UTC', hour) + INTERVAL 2 HOUR THEN pushed_at END AS pushed_at
    ),
    timezone('UTC', hour) AS seen, epoch(hour) * 4 + rank AS newness
FROM facts

-- name: create_newest_names
CREATE OR REPLACE TEMP TABLE newest_names AS
SELECT repo_id, max({'seen': seen, 'name': name}) AS newest FROM (
    SELECT repo_id, starred_at AS seen, repo_name AS name FROM ranked_stars
    UNION ALL
    SELECT repo_id, seen, name FROM repo_facts
) GROUP BY repo_id

-- name: duplicates
SELECT hour, count(*) FROM ranked_stars WHERE nth > 1 GROUP BY hour

-- name: users
SELECT count(DISTINCT user_id) FROM ranked_stars

-- name: stars
-- repo_name is stored only if it differs from raw_repos: names on every star would take a third of the file.
SELECT user_id, user_login, repo_id, nullif(repo_name, newest.name) AS repo_name, starred_at
FROM ranked_stars JOIN newest_names USING (repo_id)
WHERE nth = 1
ORDER BY user_id, starred_at, repo_id

-- name: repos
WITH newest_facts AS (
    SELECT
        repo_id,
        arg_max(description, newness) AS description,
        arg_max(language, newness) AS language,
        arg_max(topics, newness) AS topics,
        max(pushed_at) AS pushed_at,
        arg_max(stargazers, newness) AS stargazers
    FROM repo_facts GROUP BY repo_id
)
SELECT repo_id, newest.name AS name, description, language, topics, pushed_at, stargazers, newest.seen AS last_seen
FROM newest_names LEFT JOIN newest_facts USING (repo_id)
ORDER BY repo_id

-- name: people
-- The order of the numbers read backwards spreads a sample evenly over the years in which accounts were made.
WITH actors AS ({rows}),
people AS (
    SELECT
        user_id,
        max({{'hour': hour, 'login': login}}).login AS login,
        count(DISTINCT date_trunc('day', hour)) AS days
    FROM actors GROUP BY user_id
    ORDER BY reverse(user_id::VARCHAR) LIMIT $max_people
)
SELECT user_id, login, days FROM people ORDER BY user_id
