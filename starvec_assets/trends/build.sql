-- Stars by day and month, from the stars that count ($stars) and GitHub's weekly totals ($history, $asked).

-- name: create_gamma_quantile
-- Quantile of the posterior of a Poisson mean after `k` events (Jeffreys' prior), by Wilson and Hilferty's cube of a
-- normal deviate.
CREATE OR REPLACE TEMP MACRO gamma_quantile(k, deviate) AS
    (k + 0.5) * greatest(0, 1 - 1 / (9 * (k + 0.5)) + deviate / (3 * sqrt(k + 0.5))) ** 3

-- name: create_counts
-- The first star of a person and repository counts. `day` is kept from $since on, of earlier days the month alone.
CREATE OR REPLACE TEMP TABLE counts AS
SELECT repo_id, strftime(day, '%Y-%m') AS month, CASE WHEN day >= $since THEN day END AS day, count(*) AS stars
FROM (SELECT repo_id, min(starred_at)::DATE AS day FROM read_parquet($stars) GROUP BY repo_id, user_id)
WHERE strftime(day, '%Y-%m') IN (SELECT month FROM judged WHERE gap IS NULL)
GROUP BY ALL

-- name: create_no_counts
CREATE OR REPLACE TEMP TABLE counts (repo_id BIGINT, month VARCHAR, day DATE, stars BIGINT)

-- name: create_months
CREATE OR REPLACE TEMP TABLE months AS
SELECT judged.*, CASE WHEN gap IS NULL THEN coalesce(stars, 0) END AS stars
FROM judged LEFT JOIN (SELECT month, sum(stars)::BIGINT AS stars FROM counts GROUP BY month) USING (month)

-- name: months
SELECT month, days, stars, capture, gap FROM months ORDER BY month

-- name: log_end
SELECT max(day) FROM counts

-- name: history_end
-- The last day that GitHub has counted in full for half of the repositories that it was asked about.
SELECT count(*), quantile_disc(counted_until, 0.5) - 1 FROM read_parquet($asked) WHERE counted_until IS NOT NULL

-- name: create_github
CREATE OR REPLACE TEMP TABLE github AS
SELECT repo_id, week + nth::INTEGER AS day, greatest(days[nth + 1], 0) AS stars
FROM read_parquet($history) AS history JOIN read_parquet($asked) AS asked USING (repo_id), range(7) AS r(nth)
WHERE week + nth::INTEGER < counted_until

-- name: create_github_months
-- Months that the history of a repository covers from the first day to the last.
CREATE OR REPLACE TEMP TABLE github_months AS
SELECT repo_id, strftime(day, '%Y-%m') AS month, sum(stars)::BIGINT AS stars
FROM github JOIN read_parquet($asked) USING (repo_id)
WHERE counted_until > last_day(day) AND (whole OR first_week <= date_trunc('month', day))
GROUP BY ALL

-- name: create_repositories
-- The newest facts of each repository. A name belongs to the repository that was seen with it last: another one that
-- had it before was deleted, and is no longer listed.
CREATE OR REPLACE TEMP TABLE repositories AS
SELECT
    repo_id, name, language, coalesce(created_at, first_seen)::DATE AS born,
    -- The log knows all stars of those that were first starred a while after it began.
    CASE
        WHEN stargazers IS NOT NULL THEN greatest(stargazers, stars)
        WHEN first_seen >= $log_begin::DATE + INTERVAL 28 DAYS THEN stars
    END AS total
FROM read_parquet($catalog)
QUALIFY row_number() OVER (PARTITION BY lower(name) ORDER BY last_seen DESC, stars DESC, repo_id) = 1

-- name: monthly
WITH log AS (SELECT repo_id, month, sum(stars)::BIGINT AS stars FROM counts GROUP BY ALL)
SELECT
    repo_id, month,
    CASE WHEN gap IS NULL THEN coalesce(log.stars, 0) END AS stars,
    CASE WHEN gap IS NULL THEN coalesce(log.stars, 0) / months.stars END AS share,
    coalesce(github_months.stars, log.stars / least(1, coalesce(capture, 1))) / days AS per_day,
    coalesce(
        gamma_quantile(github_months.stars, -1.96),
        gamma_quantile(log.stars, -1.96) / least(1, coalesce(capture_high, capture, 1))
    ) / days AS low,
    coalesce(
        gamma_quantile(github_months.stars, 1.96),
        gamma_quantile(log.stars, 1.96) / least(1, coalesce(capture_low, capture, 1))
    ) / days AS high,
    CASE WHEN github_months.stars IS NULL THEN 'log' ELSE 'github' END AS source
FROM log FULL JOIN github_months USING (repo_id, month) JOIN months USING (month)
ORDER BY repo_id, month

-- name: fields
WITH kinds AS (
    SELECT 'category' AS kind, category AS field, NULL AS cluster, repo_id FROM members WHERE category IS NOT NULL
    UNION ALL SELECT 'cluster', label, cluster, repo_id FROM members WHERE cluster IS NOT NULL
    UNION ALL SELECT 'language', language, NULL, repo_id FROM read_parquet($catalog) WHERE language IS NOT NULL
),
sums AS (
    SELECT kind, field, cluster, month, sum(stars)::BIGINT AS stars FROM counts JOIN kinds USING (repo_id) GROUP BY ALL
),
grid AS (
    SELECT kind, field, cluster, month, months.stars AS all_stars
    FROM (SELECT DISTINCT kind, field, cluster FROM sums), months
)
SELECT
    grid.kind, grid.field, grid.cluster, grid.month,
    CASE WHEN all_stars IS NOT NULL THEN coalesce(stars, 0) END AS stars,
    coalesce(stars, 0) / all_stars AS share,
    gamma_quantile(coalesce(stars, 0), -1.96) / all_stars AS low,
    gamma_quantile(coalesce(stars, 0), 1.96) / all_stars AS high
FROM grid LEFT JOIN sums ON
    sums.kind = grid.kind AND sums.field = grid.field AND sums.month = grid.month
    AND sums.cluster IS NOT DISTINCT FROM grid.cluster
ORDER BY grid.kind, grid.field, grid.cluster, grid.month

-- name: create_log_days
CREATE OR REPLACE TEMP TABLE days AS
SELECT repo_id, day, sum(stars)::BIGINT AS stars FROM counts WHERE day BETWEEN $first AND $last GROUP BY ALL

-- name: create_github_days
-- Those of the repositories whose every day from $first to $last is known.
CREATE OR REPLACE TEMP TABLE days AS
SELECT repo_id, day, stars FROM github SEMI JOIN (
    SELECT repo_id FROM read_parquet($asked) WHERE counted_until > $last AND (whole OR first_week <= $first)
) USING (repo_id) WHERE day BETWEEN $first AND $last

-- name: all_stars
SELECT day, sum(stars)::BIGINT AS stars FROM days GROUP BY day ORDER BY day

-- name: candidates
-- Repositories with $least_stars in the last days, from $recent on.
SELECT repo_id, repositories.* EXCLUDE repo_id, category, cluster, recent.stars
FROM (
    SELECT repo_id, sum(stars)::BIGINT AS stars FROM days WHERE day >= $recent
    GROUP BY repo_id HAVING sum(stars) >= $least_stars
) AS recent JOIN repositories USING (repo_id) LEFT JOIN members USING (repo_id)
ORDER BY repo_id

-- name: chosen_days
SELECT repo_id, day, stars FROM days SEMI JOIN chosen USING (repo_id)

-- name: capture
-- Mean share that the log has of the stars on the days from $first to $last.
SELECT avg(least(1, coalesce(capture, 1))) FROM (
    SELECT unnest(generate_series($first::DATE, $last::DATE, INTERVAL 1 DAY)) AS day
) JOIN months ON month = strftime(day, '%Y-%m') WHERE gap IS NULL
