-- People to ask for their stars, from the views log, active and asked.

-- name: choose
WITH known AS (
    SELECT user_id, arg_max(user_login, starred_at) AS login, count(*) AS stars FROM log GROUP BY user_id
), seen AS (
    SELECT user_id, arg_max(login, days) AS login, sum(days) AS days FROM active GROUP BY user_id
), people AS (
    SELECT
        user_id,
        coalesce(seen.login, known.login) AS login,
        coalesce(days, 0) AS days,
        coalesce(asked.list_length, stars) AS stars
    FROM known FULL JOIN seen USING (user_id) LEFT JOIN asked USING (user_id)
    WHERE asked.asked_on IS NULL OR asked.asked_on
        <= $today::DATE - CASE WHEN asked.reason IS NULL THEN $ask_again_days ELSE $refused_again_days END::INTEGER
)
SELECT user_id, login FROM people
WHERE login NOT LIKE '%[bot]' AND coalesce(stars, 0) <= $longest_list
ORDER BY days > 0 DESC, least(coalesce(stars, 10), 100) DESC, md5(user_id::VARCHAR)
LIMIT $limit
