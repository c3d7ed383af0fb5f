-- name: candidates
-- GitHub numbers repositories in the order of their creation. The date itself is known of a few only, so the number
-- orders all of them alike. Of a new repository the log has hardly a star, so those that GitHub counts are enough, too.
SELECT repo_id, name, description, language, topics, stars, last_seen
FROM read_parquet($path)
WHERE greatest(stars, coalesce(stargazers, 0)) >= $min_stars
AND (regexp_matches(description, '\S') OR len(topics) > 0)
AND repo_id NOT IN (SELECT repo_id FROM vocabulary)
ORDER BY repo_id DESC LIMIT $count
