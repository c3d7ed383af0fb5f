"""Make an hour file like those of GH Archive from 2022 to 2025: 150,000 events of the usual mix, with full payloads.

The shares of the event types and the layout of the payloads are GitHub's; names, texts and hashes are random. The file
has the usual 60 to 150 MB.
"""

import base64
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from starvec_assets.sample.archive_events import API, Json, actor, event, repo_reference, repository, user

Repo = tuple[int, str, str | None, str | None]  # id, owner/name, description, language
SHARES = {
    "PushEvent": 0.53,
    "CreateEvent": 0.135,
    "PullRequestEvent": 0.085,
    "WatchEvent": 0.07,
    "IssueCommentEvent": 0.06,
    "DeleteEvent": 0.03,
    "PullRequestReviewEvent": 0.025,
    "IssuesEvent": 0.025,
    "ForkEvent": 0.018,
    "PullRequestReviewCommentEvent": 0.012,
    "ReleaseEvent": 0.01,
}
LANGUAGES = ["Python", "JavaScript", "TypeScript", "Go", "Rust", "Java", "C++", "C", "Ruby", None]


class HourGenerator:
    """A deterministic stream of events; equal seeds give equal files."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.words = [
            "".join(self.random.choices("etaoinshrdlucmfwypvbgkqjxz", k=self.random.randint(2, 10)))
            for _ in range(20_000)
        ]
        self.repos = [self._repo(i) for i in range(60_000)]
        self.event_id = 40_000_000_000

    def _repo(self, i: int) -> Repo:
        owner, name = self.random.choice(self.words), "-".join(self.random.choices(self.words, k=2))
        description = (
            None
            if self.random.random() < 0.3
            else self.text(9) + self.random.choice(["", "", ' with "quotes"', " – 向量 🚀"])
        )
        return 1000 + i * 12_345, f"{owner}{i}/{name}", description, self.random.choice(LANGUAGES)

    def text(self, words: int) -> str:
        return " ".join(self.random.choices(self.words, k=words))

    def body(self, mean_words: int) -> str:
        """Return Markdown of `mean_words` words on average; most texts are short, some very long."""
        words = min(int(self.random.expovariate(1 / mean_words)), 5000)
        return "\r\n".join(self.text(min(12, words - i)) for i in range(0, words, 12))

    def sha(self) -> str:
        return f"{self.random.getrandbits(160):040x}"

    def node(self) -> str:
        return base64.b64encode(self.random.randbytes(18)).decode()

    def when(self) -> str:
        return f"2024-01-10T12:{self.random.randrange(60):02}:{self.random.randrange(60):02}Z"

    def user(self, login: str, uid: int) -> Json:
        return user(uid, login, self.node())

    def full_repo(self, repo: Repo, fork: bool = False) -> Json:
        repo_id, name, description, language = repo
        return repository(
            repo_id,
            name,
            description=description,
            language=language,
            stars=self.random.randrange(5000),
            node_id=self.node(),
            owner=self.user(name.split("/")[0], repo_id // 3),
            fork=fork,
            pushed_at=self.when(),
            size=self.random.randrange(90_000),
            topics=self.random.choices(self.words, k=self.random.randrange(6)),
        )

    def pull_request(self, repo: Repo) -> Json:
        rid, name, description, _ = repo
        number = self.random.randrange(9000)
        uid = self.random.randrange(10**8)
        login = self.random.choice(self.words) + str(uid % 1000)
        url = f"{API}/repos/{name}/pulls/{number}"
        own = self.random.random() < 0.7
        head = repo if own else (rid + 7, f"{login}/{name.split('/')[1]}", description, None)
        links = {
            k: {"href": f"{url}/{k}"}
            for k in ("self", "html", "issue", "comments", "review_comments", "review_comment", "commits", "statuses")
        }

        def side(of: Repo, fork: bool) -> Json:
            owner = of[1].split("/")[0]
            return {
                "label": f"{owner}:main",
                "ref": "main",
                "sha": self.sha(),
                "user": self.user(owner, uid),
                "repo": self.full_repo(of, fork),
            }

        return {
            "url": url,
            "id": uid * 3,
            "node_id": self.node(),
            "html_url": f"https://github.com/{name}/pull/{number}",
            "diff_url": f"https://github.com/{name}/pull/{number}.diff",
            "patch_url": f"https://github.com/{name}/pull/{number}.patch",
            "issue_url": f"{API}/repos/{name}/issues/{number}",
            "number": number,
            "state": "open",
            "locked": False,
            "title": self.text(7),
            "user": self.user(login, uid),
            "body": self.body(220),
            "created_at": self.when(),
            "updated_at": self.when(),
            "closed_at": None,
            "merged_at": None,
            "merge_commit_sha": self.sha(),
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [],
            "milestone": None,
            "draft": False,
            "commits_url": f"{url}/commits",
            "review_comments_url": f"{url}/comments",
            "review_comment_url": f"{API}/repos/{name}/pulls/comments{{/number}}",
            "comments_url": f"{API}/repos/{name}/issues/{number}/comments",
            "statuses_url": f"{API}/repos/{name}/statuses/{self.sha()}",
            "head": side(head, not own),
            "base": side(repo, False),
            "_links": links,
            "author_association": "CONTRIBUTOR",
            "auto_merge": None,
            "active_lock_reason": None,
            "merged": False,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": None,
            "comments": 0,
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": 1,
            "additions": 12,
            "deletions": 3,
            "changed_files": 2,
        }

    def issue(self, name: str) -> Json:
        number, uid = self.random.randrange(9000), self.random.randrange(10**8)
        url = f"{API}/repos/{name}/issues/{number}"
        return {
            "url": url,
            "repository_url": f"{API}/repos/{name}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": f"https://github.com/{name}/issues/{number}",
            "id": uid * 5,
            "node_id": self.node(),
            "number": number,
            "title": self.text(7),
            "user": self.user(self.random.choice(self.words), uid),
            "labels": [],
            "state": "open",
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": 3,
            "created_at": self.when(),
            "updated_at": self.when(),
            "closed_at": None,
            "author_association": "NONE",
            "active_lock_reason": None,
            "body": self.body(150),
            "reactions": {
                "url": f"{url}/reactions",
                "total_count": 0,
                "+1": 0,
                "-1": 0,
                "laugh": 0,
                "hooray": 0,
                "confused": 0,
                "heart": 0,
                "rocket": 0,
                "eyes": 0,
            },
        }

    def payload(self, kind: str, repo: Repo, login: str, uid: int) -> Json:
        rid, name, description, _ = repo

        def push() -> Json:
            commits = [
                {
                    "sha": (sha := self.sha()),
                    "author": {"email": f"{login}@users.noreply.github.com", "name": self.text(2)},
                    "message": self.body(14),
                    "distinct": True,
                    "url": f"{API}/repos/{name}/commits/{sha}",
                }
                for _ in range(min(20, int(self.random.expovariate(0.7)) + 1))
            ]
            return {
                "repository_id": rid,
                "push_id": uid * 7,
                "size": len(commits),
                "distinct_size": len(commits),
                "ref": "refs/heads/main",
                "head": self.sha(),
                "before": self.sha(),
                "commits": commits,
            }

        def create() -> Json:
            what = self.random.choice(["branch", "branch", "repository", "tag"])
            return {
                "ref": None if what == "repository" else self.text(1),
                "ref_type": what,
                "master_branch": "main",
                "description": description,
                "pusher_type": "user",
            }

        def comment() -> Json:
            return {
                "url": f"{API}/repos/{name}/issues/comments/{uid}",
                "id": uid,
                "node_id": self.node(),
                "user": self.user(login, uid),
                "created_at": self.when(),
                "updated_at": self.when(),
                "author_association": "NONE",
                "body": self.body(90),
            }

        makers: dict[str, Callable[[], Json]] = {
            "PushEvent": push,
            "CreateEvent": create,
            "PullRequestEvent": lambda: {
                "action": self.random.choice(["opened", "closed"]),
                "number": 1,
                "pull_request": self.pull_request(repo),
            },
            "WatchEvent": lambda: {"action": "started"},
            "IssueCommentEvent": lambda: {"action": "created", "issue": self.issue(name), "comment": comment()},
            "DeleteEvent": lambda: {"ref": self.text(1), "ref_type": "branch", "pusher_type": "user"},
            "PullRequestReviewEvent": lambda: {
                "action": "created",
                "review": comment(),
                "pull_request": self.pull_request(repo),
            },
            "IssuesEvent": lambda: {"action": "opened", "issue": self.issue(name)},
            "ForkEvent": lambda: {
                "forkee": self.full_repo((rid + 5, f"{login}/{name.split('/')[1]}", description, None), True)
            },
            "PullRequestReviewCommentEvent": lambda: {
                "action": "created",
                "comment": comment(),
                "pull_request": self.pull_request(repo),
            },
            "ReleaseEvent": lambda: {
                "action": "published",
                "release": {"author": self.user(login, uid), "name": "v1", "body": self.body(200), "assets": []},
            },
        }
        return makers[kind]()

    def lines(self, events: int) -> Iterator[bytes]:
        kinds = self.random.choices(list(SHARES), weights=list(SHARES.values()), k=events)
        for kind in kinds:
            self.event_id += self.random.randrange(1, 40)
            repo = self.repos[min(int(self.random.expovariate(1 / 12_000)), len(self.repos) - 1)]
            uid = self.random.randrange(1, 150_000_000)
            login = f"{self.words[uid % len(self.words)]}{uid % 100}"
            repo_id, name = repo[:2]
            created = self.payload(kind, repo, login, uid), self.when()
            record = event(self.event_id, kind, actor(uid, login), repo_reference(repo_id, name), *created)
            if self.random.random() < 0.3:
                owner = name.split("/")[0]
                record["org"] = {
                    "id": repo_id // 3,
                    "login": owner,
                    "gravatar_id": "",
                    "url": f"{API}/orgs/{owner}",
                    "avatar_url": f"https://avatars.githubusercontent.com/u/{repo_id // 3}?",
                }
            yield json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def make_hour(path: Path, events: int = 150_000, seed: int = 1) -> tuple[int, int]:
    """Write the hour file at `path`; return its compressed and its decompressed size in bytes."""
    packer, size = zlib.compressobj(6, wbits=31), 0
    with path.open("wb") as out:
        for line in HourGenerator(seed).lines(events):
            size += len(line)
            out.write(packer.compress(line))
        out.write(packer.flush())
    return path.stat().st_size, size
