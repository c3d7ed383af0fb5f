-- Merge what a run read (new_*) with what the runs before it left (old_*). The steps are aggregations that DuckDB spills.

-- name: back_to
-- A list is read back to $since; of a person of whom the stars since then are known, back to the newest of them.
SELECT user_id, position, login,
    epoch(CASE WHEN known THEN since ELSE $since::TIMESTAMPTZ END)::BIGINT,
    epoch(CASE WHEN known THEN coalesce(newest, since) ELSE $since::TIMESTAMPTZ END)::BIGINT
FROM (
    SELECT chosen.*, since, newest, coalesce(since <= $since::TIMESTAMPTZ, false) AS known
    FROM chosen LEFT JOIN old_people USING (user_id)
) ORDER BY position

-- name: stars
-- Of a person and a repository the first star counts.
SELECT user_id, user_login, repo_id, repo_name, starred_at, $source AS source FROM (
    SELECT 1 AS part, * FROM new_stars UNION ALL BY NAME SELECT 2 AS part, * FROM old_stars
)
QUALIFY row_number() OVER (PARTITION BY user_id, repo_id ORDER BY starred_at, part) = 1
ORDER BY user_id, starred_at, repo_id

-- name: people
WITH gained AS (
    SELECT user_id, count(*) AS stars FROM new_stars ANTI JOIN old_stars USING (user_id, repo_id) GROUP BY user_id
), newest_stars AS (
    SELECT user_id, max(starred_at) AS starred_at FROM new_stars GROUP BY user_id
)
SELECT
    user_id, n.login, n.asked_on, n.status, n.reason,
    if(n.status = 'read', n.since, o.since) AS since,
    coalesce(newest_stars.starred_at, o.newest) AS newest,
    coalesce(n.list_length, o.list_length) AS list_length,
    coalesce(gained.stars, 0) + if(n.asked_on = o.asked_on, o.stars_gained, 0) AS stars_gained,
    if(n.status = 'read', n.over_limit, coalesce(o.over_limit, false)) AS over_limit,
    if(n.status = 'read', n.truncated, coalesce(o.truncated, false)) AS truncated
FROM new_people n LEFT JOIN old_people o USING (user_id)
LEFT JOIN gained USING (user_id) LEFT JOIN newest_stars USING (user_id)
UNION ALL BY NAME SELECT * FROM old_people ANTI JOIN new_people USING (user_id)
ORDER BY user_id

-- name: repos
-- The newest facts win; one that was not told again stays.
SELECT
    repo_id,
    arg_max(name, age) AS name,
    arg_max(description, age) AS description,
    arg_max(language, age) AS language,
    arg_max(created_at, age) AS created_at,
    arg_max(pushed_at, age) AS pushed_at,
    arg_max(archived, age) AS archived,
    arg_max(stargazers, age) AS stargazers,
    max(seen) AS seen
FROM (
    SELECT (seen, 2) AS age, * FROM new_repos UNION ALL BY NAME SELECT (seen, 1) AS age, * FROM old_repos
) GROUP BY repo_id ORDER BY repo_id

-- name: gained
SELECT coalesce(sum(stars_gained), 0)::BIGINT FROM read_parquet($people) SEMI JOIN new_people USING (user_id)

-- name: statuses
SELECT status, count(*) AS people, sum(stars_gained)::BIGINT AS stars FROM read_parquet($people)
GROUP BY status ORDER BY people DESC, status

-- name: months
SELECT strftime(starred_at, '%Y-%m') AS month, count(*) AS stars FROM read_parquet($stars) GROUP BY month ORDER BY month
