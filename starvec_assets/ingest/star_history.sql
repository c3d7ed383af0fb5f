-- The repositories to ask about, their weeks, and the comparison of GitHub's counts with the log.

-- name: most_starred
-- Newest names come from the months' repos.parquet ($repos). A name belongs to the repository that was seen with it
-- last: another one that had it before cannot be asked by name.
WITH top AS (
    SELECT repo_id, count(*) AS stars FROM read_parquet($stars) GROUP BY repo_id ORDER BY stars DESC, repo_id LIMIT $n
),
names AS (
    SELECT repo_id, arg_max(name, (last_seen, name)) AS name, max(last_seen) AS seen
    FROM read_parquet($repos) SEMI JOIN top USING (repo_id) GROUP BY repo_id
),
owners AS (
    SELECT lower(name) AS name, arg_max(repo_id, (last_seen, repo_id)) AS owner
    FROM read_parquet($repos) WHERE lower(name) IN (SELECT lower(name) FROM names) GROUP BY lower(name)
)
SELECT repo_id, names.name, owner = repo_id AS has_name
FROM top JOIN names USING (repo_id) JOIN owners ON owners.name = lower(names.name)
ORDER BY stars DESC, repo_id

-- name: create_answers
-- $progress has a line of JSON for each repository asked, as RepoState and its weeks; the newest answer counts.
CREATE OR REPLACE TEMP TABLE answers AS
SELECT repo_id, counted_until, unnest(weeks, max_depth := 2)
FROM read_json($progress, format = 'newline_delimited', maximum_object_size = 67108864, columns = {
    repo_id: 'BIGINT', counted_until: 'DATE', weeks: 'STRUCT(week DATE, total BIGINT, days BIGINT[])[]'
})

-- name: create_previous
CREATE OR REPLACE TEMP TABLE answers AS
SELECT repo_id, DATE '0001-01-01' AS counted_until, week, total, days::BIGINT[] AS days FROM read_parquet($previous)
UNION ALL FROM answers

-- name: history
-- Weeks before the first known one are of an earlier answer that does not reach the newest.
SELECT repo_id, week, total, days FROM answers JOIN states USING (repo_id) WHERE week >= first_week
QUALIFY row_number() OVER (PARTITION BY repo_id, week ORDER BY answers.counted_until DESC) = 1
ORDER BY repo_id, week

-- name: compare
-- One row a month and repository of which both sides are known: its history covers the whole month.
WITH days AS (
    SELECT repo_id, week + nth::INTEGER AS day, days[nth + 1] AS stars FROM read_parquet($history), range(7) AS r(nth)
),
github AS (SELECT repo_id, strftime(day, '%Y-%m') AS month, sum(stars)::BIGINT AS github FROM days GROUP BY ALL),
log AS (
    SELECT repo_id, strftime(starred_at, '%Y-%m') AS month, count(*) AS in_log
    FROM read_parquet($stars) SEMI JOIN states USING (repo_id) GROUP BY ALL
),
covered AS (
    SELECT repo_id, month FROM states, (SELECT unnest($months::VARCHAR[]) AS month)
    WHERE counted_until > last_day((month || '-01')::DATE) AND (whole OR first_week <= (month || '-01')::DATE)
)
SELECT repo_id, month, coalesce(github, 0) AS github, coalesce(in_log, 0) AS in_log
FROM covered LEFT JOIN github USING (repo_id, month) LEFT JOIN log USING (repo_id, month)
ORDER BY repo_id, month
