"""What a store raised, as one sentence: libraries put addresses, pools and retries into their errors."""

from __future__ import annotations

import re

from translate.tracking.redact import redact

LONGEST = 300
"""The most characters of a sentence that is a library's own."""

_SERVER = re.compile(r"https?://[^/\s'\"]+")
_POOL = re.compile(r"HTTPS?ConnectionPool\(host='([^']+)', port=(\d+)\)")
_STATUS = re.compile(r"failed with error code (\d+)")
_OF_CONNECTIONS = ("HTTPConnectionPool", "HTTPSConnectionPool", "Max retries exceeded", "Connection aborted")
_REASONS = {
    "NameResolutionError": "there is no host of this name",
    "Name or service not known": "there is no host of this name",
    "Connection refused": "nothing listens there",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not accepted",
    "SSLError": "no encrypted connection could be made",
    "timed out": "no answer in time",
    "Timeout": "no answer in time",
    "Network is unreachable": "this machine has no way there",
    "No route to host": "this machine has no way there",
    "too many 5": "it answers with errors of its own",
    "Connection aborted": "it broke the connection off",
    "Connection reset": "it broke the connection off",
}


def in_words(error: BaseException) -> str:
    """The error as a sentence without secrets, without the texts of urllib3 and requests."""
    text = redact(str(error)).strip()
    if any(mark in text for mark in _OF_CONNECTIONS):
        pool, server = _POOL.search(text), _SERVER.search(text)
        where = server[0] if server else f"{pool[1]}:{pool[2]}" if pool else "the server"
        reason = next((words for mark, words in _REASONS.items() if mark in text), "the connection failed")
        return f"{where} does not answer: {reason}"
    if status := _STATUS.search(text):
        return f"the server answered with the error {status[1]}"
    first = text.splitlines()[:1]
    return first[0][:LONGEST] if first else type(error).__name__
