"""Post a short message to an address of the operator's: an incoming webhook of a chat, or a program of one's own."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from starvec_assets.errors import StarvecError
from starvec_assets.http import HttpClient, HttpError, HttpLimits, retry_transient

LIMITS = HttpLimits(tries=3, timeout=5.0, deadline=15.0, max_bytes=1 << 16, max_wait=5.0)


class Webhook:
    """An address that accepts JSON by POST. Such an address is a secret: messages name its host alone.

    Raises StarvecError for an address that is none.
    """

    def __init__(self, url: str) -> None:
        if not re.fullmatch(r"https?://[^\s/?#@]+([/?][^\s#]*)?", url):
            raise StarvecError(
                "STARVEC_WEBHOOK is no web address such as https://example.org/hooks/1: correct it, or unset it"
            )
        self._url, self.host = url, urlsplit(url).netloc

    def post(self, message: Mapping[str, Any]) -> None:
        """Send `message` as JSON, again where an attempt fails for the moment; redirects are not followed.

        Raises StarvecError when it was not accepted.
        """
        headers = {"Content-Type": "application/json"}
        with HttpClient(LIMITS, secrets=[self._url, self._url.partition(self.host)[2]]) as client:
            try:
                answer = client.post(self._url, orjson.dumps(message), headers, retry_transient)
            except HttpError as error:
                raise StarvecError(f"the webhook at {self.host} was not reached: {error}") from None
        if not 200 <= answer.status < 300:
            raise StarvecError(f"the webhook at {self.host} refused the message: HTTP {answer.status}")
