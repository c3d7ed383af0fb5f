-- Look-ups over the stars.parquet of every month, $stars.

-- name: user_ids
SELECT lower(user_login) AS login, arg_max(user_id, (starred_at, user_id)) FROM read_parquet($stars)
WHERE list_contains($logins, lower(user_login))
GROUP BY login ORDER BY login

-- name: starred_repos
SELECT user_id, repo_id FROM read_parquet($stars)
WHERE user_id IN (SELECT unnest($user_ids))
GROUP BY ALL ORDER BY user_id, min(starred_at), repo_id
