-- People to ask for their stars, from the views log, listed, asked, active.

-- name: people
-- `read_until`: all stars of the person before that day are known. `recent`: those of the last $recent_days before it.
-- An account from the log's time without any star in the log expects none. A younger one (`is_new`) expects as much as
-- active people whom the log could know starred on average. Who was not seen active may have left, and counts half; of
-- those who are not in raw_people's sample nothing is known, and they count as those who are do on average.
CREATE OR REPLACE TEMP TABLE people AS
WITH stars AS (
    SELECT user_id, user_login, starred_at FROM log UNION ALL SELECT user_id, user_login, starred_at FROM listed
), states AS (
    SELECT *, CASE WHEN reason IS NULL THEN asked_on END AS read_on,
        asked_on + if(reason IS NULL, $ask_again_days, $refused_again_days)::INTEGER AS ask_again_on
    FROM asked
), starring AS (
    SELECT
        user_id,
        arg_max(user_login, starred_at) AS login,
        count(*) AS stars,
        count(*) FILTER (starred_at >= coalesce(read_on, $since::DATE) - $recent_days::INTEGER) AS recent,
        min(starred_at) < $since AS in_log
    FROM stars LEFT JOIN states USING (user_id) GROUP BY user_id
), seen AS (
    SELECT user_id, arg_min(login, age) AS login, sum(days) AS days FROM active GROUP BY user_id
), everybody AS (
    SELECT
        user_id,
        coalesce(seen.login, starring.login) AS login,
        coalesce(days, 0) AS days,
        coalesce(list_length, stars, 0) AS stars,
        coalesce(recent, 0) AS recent,
        coalesce(read_on, $since::DATE) AS read_until,
        ask_again_on,
        read_on IS NULL AND user_id > (SELECT coalesce(quantile_disc(user_id, 0.999), 0) FROM starring WHERE in_log)
            AS is_new,
        substr(user_id::VARCHAR, $sampled_place + 1, 1) = $sampled_digit AS in_sample,
        CASE WHEN days > 0 THEN 1 WHEN in_sample THEN 0.5 END AS still_there
    FROM starring FULL JOIN seen USING (user_id) LEFT JOIN states USING (user_id)
)
SELECT user_id, login, days, stars,
    if(is_new, (SELECT avg(recent) FROM everybody WHERE days > 0 AND NOT is_new), recent)
    * coalesce(still_there, (SELECT avg(still_there) FROM everybody WHERE in_sample AND recent > 0), 0.5)
    * ($today::DATE - read_until) / $recent_days AS expected
FROM everybody
WHERE login NOT LIKE '%[bot]' AND stars <= $longest_list AND coalesce(ask_again_on <= $today::DATE, true)

-- name: best_first
-- A page holds 100 stars: of a person who gave more since, each further page costs another request.
SELECT user_id, login FROM people ORDER BY least(expected, 100) DESC, stars DESC, md5(user_id::VARCHAR) LIMIT $limit
