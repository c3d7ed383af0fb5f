-- Tables and statements of list_progress.py, for SQLite. Times are Unix seconds, days are text such as 2026-11-26.

-- name: tables
CREATE TABLE state (choice TEXT NOT NULL, people_a_query INTEGER NOT NULL, page_size INTEGER NOT NULL);
CREATE TABLE requests (number INTEGER PRIMARY KEY, people INTEGER NOT NULL, stars INTEGER NOT NULL);
CREATE TABLE people (
    user_id INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,       -- in the order of the choice
    login TEXT NOT NULL,
    since INTEGER NOT NULL,          -- stars from here on will be complete
    back_to INTEGER NOT NULL,        -- the list is read back to here: an earlier run read the rest
    step TEXT,                       -- what comes next: list, number or pages; null when the person is done
    after TEXT,                      -- cursor of the next page, null for the first
    second_try INTEGER NOT NULL DEFAULT 0,
    asked_on TEXT,                   -- day of the first page
    list_length INTEGER,
    over_limit INTEGER NOT NULL DEFAULT 0,
    truncated INTEGER NOT NULL DEFAULT 0,
    status TEXT,
    reason TEXT
);
CREATE INDEX waiting ON people (step, asked_on IS NULL, position) WHERE step IS NOT NULL;
CREATE TABLE stars (
    user_id INTEGER NOT NULL, repo_id INTEGER NOT NULL, starred_at INTEGER NOT NULL, PRIMARY KEY (user_id, repo_id)
) WITHOUT ROWID;
CREATE TABLE repos (
    repo_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT, language TEXT, created_at INTEGER,
    pushed_at INTEGER, archived INTEGER, stargazers INTEGER, seen TEXT NOT NULL
);

-- name: choose
-- People of whom a part was read stay; the new choice comes after them.
INSERT INTO people (user_id, position, login, since, back_to, step) VALUES (?, ?, ?, ?, ?, 'list')
ON CONFLICT (user_id) DO NOTHING

-- name: waiting
-- People whose list is read in part come first, so that few of them are left when a run ends.
SELECT user_id, login, back_to, after, second_try, coalesce(reason, '') AS reason,
    (SELECT count(*) FROM stars WHERE stars.user_id = people.user_id) AS stars
FROM people WHERE step = ? ORDER BY asked_on IS NULL, position LIMIT ?

-- name: repository
INSERT INTO repos
VALUES (:repo_id, :name, :description, :language, :created_at, :pushed_at, :archived, :stargazers, :seen)
ON CONFLICT (repo_id) DO UPDATE SET
    name = excluded.name,
    description = coalesce(excluded.description, description),
    language = coalesce(excluded.language, language),
    created_at = coalesce(excluded.created_at, created_at),
    pushed_at = coalesce(excluded.pushed_at, pushed_at),
    archived = coalesce(excluded.archived, archived),
    stargazers = coalesce(excluded.stargazers, stargazers),
    seen = excluded.seen

-- name: finish
UPDATE people SET
    step = NULL, after = NULL, status = ?, reason = ?, asked_on = coalesce(asked_on, ?),
    since = CASE WHEN truncated
        THEN (SELECT coalesce(min(starred_at), since) FROM stars WHERE stars.user_id = people.user_id) ELSE since END
WHERE user_id = ?

-- name: people
SELECT user_id, login, asked_on, status, reason, since, list_length, over_limit, truncated
FROM people WHERE status IS NOT NULL ORDER BY user_id

-- name: stars
SELECT user_id, login, repo_id, name, starred_at
FROM people JOIN stars USING (user_id) JOIN repos USING (repo_id)
WHERE status = 'read' ORDER BY user_id, repo_id

-- name: repos
SELECT * FROM repos ORDER BY repo_id

-- name: yield
SELECT min(number), max(number), sum(people), sum(stars)
FROM requests GROUP BY (number - 1) * 10 / (SELECT max(number) FROM requests) ORDER BY 1

-- name: clear
DELETE FROM stars WHERE user_id IN (SELECT user_id FROM people WHERE step IS NULL OR asked_on IS NULL);
DELETE FROM people WHERE step IS NULL OR asked_on IS NULL;
DELETE FROM repos WHERE repo_id NOT IN (SELECT repo_id FROM stars);
DELETE FROM requests;
UPDATE state SET choice = ''
