"""Builders of GH Archive events: GitHub's keys in GitHub's order, for the sample, the tests and the benchmarks."""

from typing import Any

Json = dict[str, Any]

API = "https://api.github.com"
USER_URLS = [
    *("followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}", "subscriptions", "orgs"),
    *("repos", "events{/privacy}", "received_events"),
]
REPO_URLS = [
    *("forks", "keys{/key_id}", "collaborators{/collaborator}", "teams", "hooks", "issues/events{/number}", "events"),
    *("assignees{/user}", "branches{/branch}", "tags", "git/blobs{/sha}", "git/tags{/sha}", "git/refs{/sha}"),
    *("git/trees{/sha}", "statuses/{sha}", "languages", "stargazers", "contributors", "subscribers", "subscription"),
    *("commits{/sha}", "git/commits{/sha}", "comments{/number}", "issues/comments{/number}", "contents/{+path}"),
    *("compare/{base}...{head}", "merges", "{archive_format}{/ref}", "downloads", "issues{/number}", "pulls{/number}"),
    *("milestones{/number}", "notifications{?since,all,participating}", "labels{/name}", "releases{/id}"),
    "deployments",
]


def event(event_id: int, kind: str, actor: Json, repo: Json, payload: Json, created_at: str) -> Json:
    """Return an event of the archive, one line of an hour file; `actor` and `repo` are the short forms below."""
    return {
        "id": str(event_id),
        "type": kind,
        "actor": actor,
        "repo": repo,
        "payload": payload,
        "public": True,
        "created_at": created_at,
    }


def actor(user_id: int, login: str) -> Json:
    """Return the short form of a user, as events have it."""
    return {
        "id": user_id,
        "login": login,
        "display_login": login,
        "gravatar_id": "",
        "url": f"{API}/users/{login}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{user_id}?",
    }


def repo_reference(repo_id: int, name: str) -> Json:
    """Return the short form of a repository, as events have it."""
    return {"id": repo_id, "name": name, "url": f"{API}/repos/{name}"}


def user(user_id: int, login: str, node_id: str = "") -> Json:
    """Return the full form of a user, as payloads have it."""
    url = f"{API}/users/{login}"
    return {
        "login": login,
        "id": user_id,
        "node_id": node_id,
        "avatar_url": f"https://avatars.githubusercontent.com/u/{user_id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.com/{login}",
        **{f"{template.split('{')[0]}_url": f"{url}/{template}" for template in USER_URLS},
        "type": "User",
        "site_admin": False,
    }


def repository(
    repo_id: int, name: str, *, owner: Json, fork: bool, pushed_at: str, stars: int = 0, **fields: Any
) -> Json:
    """Return the full form of a repository, as the payloads of forks and pull requests have it.

    `fields` are values of other keys, such as `description` or `topics`; each stays at its place.
    """
    url = f"{API}/repos/{name}"
    defaults: Json = {
        "id": repo_id,
        "node_id": "",
        "name": name.split("/")[1],
        "full_name": name,
        "private": False,
        "owner": owner,
        "html_url": f"https://github.com/{name}",
        "description": None,
        "fork": fork,
        "url": url,
        **{f"{template.split('{')[0].replace('/', '_')}_url": f"{url}/{template}" for template in REPO_URLS},
        "created_at": "2019-05-03T07:11:22Z",
        "updated_at": "2024-01-10T11:02:03Z",
        "pushed_at": pushed_at,
        "git_url": f"git://github.com/{name}.git",
        "ssh_url": f"git@github.com:{name}.git",
        "clone_url": f"https://github.com/{name}.git",
        "svn_url": f"https://github.com/{name}",
        "homepage": None,
        "size": 0,
        "stargazers_count": stars,
        "watchers_count": stars,
        "language": None,
        **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
        **dict.fromkeys(("has_pages", "has_discussions"), False),
        "forks_count": stars // 9,
        "mirror_url": None,
        **dict.fromkeys(("archived", "disabled"), False),
        "open_issues_count": stars // 50,
        "license": {
            "key": "mit",
            "name": "MIT License",
            "spdx_id": "MIT",
            "url": f"{API}/licenses/mit",
            "node_id": "MDc6TGljZW5zZTEz",
        },
        "allow_forking": True,
        **dict.fromkeys(("is_template", "web_commit_signoff_required"), False),
        "topics": [],
        "visibility": "public",
        "forks": stars // 9,
        "open_issues": stars // 50,
        "watchers": stars,
        "default_branch": "main",
    }
    return defaults | fields
