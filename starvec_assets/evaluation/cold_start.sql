-- Stargazers that repositories have in common, over the stars.parquet of every month, $stars.

-- name: common_stargazers
WITH stars AS (
    SELECT DISTINCT user_id, repo_id FROM read_parquet($stars)
    WHERE user_id IN (SELECT user_id FROM read_parquet($stars) WHERE repo_id IN (SELECT repo_id FROM asked))
), people AS (
    SELECT user_id FROM stars GROUP BY user_id HAVING count(*) <= $max_stars
)
SELECT asked.number, vocabulary.number AS row, count(*) AS people
FROM stars AS one JOIN asked ON one.repo_id = asked.repo_id
JOIN people USING (user_id)
JOIN stars AS other USING (user_id) JOIN vocabulary ON other.repo_id = vocabulary.repo_id
GROUP BY ALL HAVING count(*) >= $least ORDER BY ALL
