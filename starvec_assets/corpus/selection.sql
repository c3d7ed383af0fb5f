Which users and repositories make up the corpus. Each query reads the results of the ones before it, in SQL that both
DuckDB and BigQuery understand. `stars` has user_id, user_login, repo_id and starred_at; {braces} are CorpusSettings.

-- name: bots
SELECT DISTINCT user_id FROM stars WHERE user_login LIKE '%[bot]'

-- name: first_stars
SELECT user_id, repo_id, min(starred_at) AS starred_at FROM stars GROUP BY user_id, repo_id

-- name: users
SELECT user_id, count(*) AS stars, CASE
    WHEN user_id IN (SELECT user_id FROM bots) THEN 'bot'
    WHEN count(*) < {min_stars} THEN 'too_few'
    WHEN count(*) > {max_stars} THEN 'too_many'
    ELSE 'eligible' END AS outcome
FROM first_stars GROUP BY user_id

-- name: eligible_stars
SELECT user_id, repo_id, starred_at FROM first_stars
WHERE user_id IN (SELECT user_id FROM users WHERE outcome = 'eligible')

-- name: vocabulary
SELECT repo_id, count(*) AS stars FROM eligible_stars GROUP BY repo_id HAVING count(*) >= {min_stargazers}
ORDER BY stars DESC, repo_id LIMIT {vocabulary}

-- name: ranked
SELECT repo_id, stars, row_number() OVER (ORDER BY stars DESC, repo_id) - 1 AS position FROM vocabulary

-- name: lists
SELECT user_id, array_agg(position ORDER BY starred_at, repo_id) AS items
FROM eligible_stars JOIN ranked USING (repo_id) GROUP BY user_id

-- name: names
SELECT repo_id, repo_name, row_number() OVER (PARTITION BY repo_id ORDER BY starred_at DESC, repo_name DESC) AS nth
FROM stars JOIN vocabulary USING (repo_id)

-- name: corpus_rows
SELECT 'list' AS kind, user_id AS id, items, NULL AS name, NULL AS users, NULL AS stars FROM lists
UNION ALL SELECT 'repository', repo_id, CAST(NULL AS ARRAY<INT64>), repo_name, NULL, vocabulary.stars
    FROM vocabulary JOIN names USING (repo_id) WHERE nth = 1
UNION ALL SELECT 'outcome', NULL, CAST(NULL AS ARRAY<INT64>), outcome, COUNT(*), CAST(SUM(stars) AS INT64)
    FROM users GROUP BY outcome
UNION ALL SELECT 'total', NULL, CAST(NULL AS ARRAY<INT64>), NULL, NULL, COUNT(*) FROM stars
