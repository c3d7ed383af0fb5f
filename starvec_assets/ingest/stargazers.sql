-- name: merge
-- Of a user and a repository the first star counts.
SELECT user_id, user_login, repo_id, repo_name, starred_at, source FROM read_parquet($parts)
QUALIFY row_number() OVER (PARTITION BY user_id, repo_id ORDER BY starred_at, repo_name DESC, user_login) = 1
ORDER BY user_id, starred_at, repo_id

-- name: capture
WITH listed AS (
    SELECT strftime(starred_at, '%Y-%m') AS month, user_id, repo_id FROM read_parquet($topped_up)
), archived AS (
    SELECT DISTINCT user_id, repo_id FROM read_parquet($archive)
    WHERE repo_id IN (SELECT DISTINCT repo_id FROM listed)
)
SELECT month, count(*) AS stargazers, count(archived.user_id) AS in_archive,
    count(archived.user_id) / count(*) AS share
FROM listed LEFT JOIN archived USING (user_id, repo_id)
WHERE list_contains($months, month) GROUP BY month ORDER BY month

-- name: most_starred
SELECT repo_id FROM read_parquet($catalogue) ORDER BY stars DESC, repo_id LIMIT $n
