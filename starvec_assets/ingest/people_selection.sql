-- People to ask for their stars, from the views log, listed, asked, active.

-- name: people
-- `read_until`: all stars of the person before that day are known. `recent`: those of the last $recent_days before it.
-- A person without any star in the log of an account from the log's time does not star; of a younger account as much is
-- expected as of those active people on average whom the log could know. Who was not seen active may have left.
CREATE OR REPLACE TEMP TABLE people AS
WITH stars AS (
    SELECT user_id, user_login, starred_at FROM log UNION ALL SELECT user_id, user_login, starred_at FROM listed
), starring AS (
    SELECT
        user_id,
        arg_max(user_login, starred_at) AS login,
        count(*) AS stars,
        min(starred_at) < $since AS in_log,
        count(*) FILTER (starred_at >= coalesce(asked_on, $since::DATE) - $recent_days::INTEGER) AS recent
    FROM stars LEFT JOIN asked USING (user_id) GROUP BY user_id
), seen AS (
    SELECT user_id, arg_min(login, age) AS login, sum(days) AS days FROM active GROUP BY user_id
), newest AS (
    SELECT quantile_disc(user_id, 0.999) AS newest_number FROM starring WHERE in_log
), candidates AS (
    SELECT
        user_id,
        coalesce(seen.login, starring.login) AS login,
        coalesce(days, 0) AS days,
        coalesce(list_length, stars, 0) AS stars,
        coalesce(asked_on, $since::DATE) AS read_until,
        asked_on IS NULL AND user_id > coalesce(newest_number, 0) AS is_new,
        coalesce(recent, 0) AS recent
    FROM starring FULL JOIN seen USING (user_id) LEFT JOIN asked USING (user_id), newest
    WHERE asked_on IS NULL OR asked_on
        <= $today::DATE - if(reason IS NULL, $ask_again_days, $refused_again_days)::INTEGER
)
SELECT user_id, login, days, stars,
    if(is_new, (SELECT avg(recent) FROM candidates WHERE days > 0 AND NOT is_new), recent)
    * if(days > 0, 1, 0.5) * ($today::DATE - read_until) / $recent_days AS expected
FROM candidates WHERE login NOT LIKE '%[bot]' AND stars <= $longest_list

-- name: best_first
-- A page holds 100 stars: of a person who gave more since, each further page costs another request.
SELECT user_id, login FROM people ORDER BY least(expected, 100) DESC, stars DESC, md5(user_id::VARCHAR) LIMIT $limit
