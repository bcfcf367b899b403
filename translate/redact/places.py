"""Secrets that are known by their place in a text: in a URL, behind a name, in a command."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from translate.redact.names import has_spaces, is_secret, may_be_ordinary
from translate.redact.shapes import MASK

# Behind a beginning, a pattern searches no further than to the next such beginning, or texts that repeat one take the
# square of their length.
_VALUE = (
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
    # signs that end a value, unless they stand in the middle of one
    r"|[\"']?(?:[^\s;,&)\"'\]}]|[)\]}](?=\w)|[&;,](?=[^\s&;,=\"']+(?:[\s&;,)]|$)))+"
)
_QUOTED_VALUE = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"

# A password may hold any sign of a URL, also unescaped ones: it goes on to the last @ that no quote or space is before.
_PASSWORD = r"[^\s/@:'\"<>]*:(?!\d+[/?'\"])(?:[^\s'\"<>]|['\"](?![,:;}\])\s]|$))*@"
_USER = re.compile(rf"(\b[a-z][a-z0-9+.-]{{0,30}}://)(?:{_PASSWORD})?(?:[^\s/?#'\"<>]*@)?", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_QUERY = re.compile(
    r"([?&;#][\w.-]*?(?:signature|credential|accesskeyid|\b(?:key|sig|auth|code))=)[^&\s#\"'<>;]+", re.IGNORECASE
)
_FIELD = re.compile(r"([?&;#])([\w.-]+)(=)([^&\s#\"'<>;]+)")
_SIGNED = re.compile(
    r"(\bSharedAccessSignature[ =](?:(?:(?!SharedAccessSignature)\S)*[& ])?sig=)[^&\s\"']+", re.IGNORECASE
)

_ASSIGNED = re.compile(rf"((?:^|(?<=[\s,;({{\[\"'`])))([\w.-]+)([ \t]*=(?!=)[ \t]*)({_VALUE})")
_KEYED = re.compile(rf"(\\?[\"'])([\w.-]+)(\\?[\"']\s*:\s*)({_QUOTED_VALUE}|\\[\"'](?:(?!\\?[\"']).)*\\[\"'])")
_IN_BRACES = re.compile(r"([{,][ \t]*)([\w.-]+)(:[ \t]+)([^\s,{}\[\]\"']+)")
_LINE = re.compile(r"(?m)^([ \t]*(?:- |export )?)([\w.-]+)([ \t]*(?::[ \t]|=[ \t]|[ \t]=)[ \t]*)(\S.*)$")
_BLOCK = re.compile(r"(?m)^([ \t]*)([\w.-]+)(:[ \t]*[|>][-+\d]*[ \t]*\n)((?:\1[ \t]+\S.*(?:\n|\Z)|[ \t]*\n)+)")
_TOLD = re.compile(r"((?<![\w.-]))([\w.-]+)(: +[\"']?)((?=[^\s\"']*\d)[^\s\"',;]{6,})")
_ELEMENT = re.compile(r"(<)([\w.:-]+)([^<>]*>)([^<>]+)(?=</)")
_FLAG = re.compile(rf"((?<![\w-])--?)([a-zA-Z][\w.-]+)([ \t]+|[\"'],[ \t]*)(?!-)({_VALUE})")
_NO_VALUE = re.compile(r"(?:and|or|is|are|was|needs?|to|must|for|in|with|takes?|expects?|has|of|on|as|was|has)\b", re.I)
_NO_SECRET = ("no-", "without-", "ask-", "use-", "prompt-")

_SAID = re.compile(
    r"(\b(?:password|passphrase|passcode)\s+(?:is|was)\s+[\"']?)(?=\S*\d)[^\s\"',;]{6,}"
    r"|(\b(?:token|secret|password|(?:api|access|secret|license|account)[ _-]?key)\s+(?:is\s+)?[\"']?)"
    r"(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{16,}",
    re.IGNORECASE,
)
_NETRC = re.compile(r"(\b(?:machine|login)\s+\S+(?:\s+(?:login|account)\s+\S+){0,2}\s+password\s+)\S+")
_DATABASE = r"\b(?:mysql\w*|mariadb\w*|sshpass)\b"
_DOWNLOAD = r"\b(?:curl|wget)\b"
_COMMAND = re.compile(
    rf"({_DATABASE}(?:(?!{_DATABASE})[^\n|;])*?\s-p|\bredis-cli\b(?:(?!\bredis-cli\b)[^\n|;])*?\s-a\s+"
    rf"|{_DOWNLOAD}(?:(?!{_DOWNLOAD})[^\n|;])*?\s(?:-u|--user|--proxy-user)[ =]*)"
    r"(?=\S)(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)"
)


def without_places(text: str) -> str:
    """The text with a mask for the value at every such place."""
    if "://" in text:
        text = _WORD.sub(_without_users, text)
    if "=" in text:
        text = _FIELD.sub(_named, _SIGNED.sub(_masked, _QUERY.sub(_masked, text)))
    if ":" in text or "=" in text:
        text = _KEYED.sub(_quoted, text)
        text = _LINE.sub(_rest_of_line, _BLOCK.sub(_block, text))
        text = _TOLD.sub(_told, _IN_BRACES.sub(_named, _ASSIGNED.sub(_named, text)))
    if "</" in text:
        text = _ELEMENT.sub(_named, text)
    if "-" in text:
        text = _COMMAND.sub(_masked, _FLAG.sub(_flagged, text))
    return _NETRC.sub(_masked, _SAID.sub(_masked, text))


def is_flag(text: str) -> bool:
    """Whether an argument of a command is an option such as `--password`, behind which a secret follows."""
    name = text.lstrip("-")
    return text.startswith("-") and is_secret(name) and not name.startswith(_NO_SECRET) and not set(name) & {" ", "="}


def password_of(text: str) -> str:
    """The password of the first URL in a text, or else its user, since tokens are given like that, or ""."""
    match = _USER.search(text)
    if not match or not match[0].endswith("@"):
        return ""
    user, _, password = match[0].removeprefix(match[1])[:-1].partition(":")
    return unquote(password or user)


def _without_users(match: re.Match[str]) -> str:
    """A word without the users of its URLs. Behind its last @ is none, and no search for one goes on there."""
    before, at, after = match[0].rpartition("@")
    return _USER.sub(_without_user, before + at) + after


def _without_user(match: re.Match[str]) -> str:
    """`https://` and a mask for what stood before the host; as it is where nothing did."""
    return f"{match[1]}{MASK}@" if match[0].endswith("@") else match[0]


def _masked(match: re.Match[str]) -> str:
    """A mask for what stands behind the group."""
    return f"{match[match.lastindex or 1]}{MASK}"


def _named(match: re.Match[str], mask: Callable[[str], str] = lambda _: MASK) -> str:
    """A mask for the fourth group where the second names a secret; the others are what stands around them."""
    before, name, between, value = match.group(1, 2, 3, 4)
    if not is_secret(name) or may_be_ordinary(name, value):
        return match[0]
    return f"{before}{name}{between}{mask(value)}"


def _quoted(match: re.Match[str]) -> str:
    return _named(
        match, lambda value: value[: 2 if value[0] == "\\" else 1] + MASK + value[-2 if value[0] == "\\" else -1 :]
    )


def _block(match: re.Match[str]) -> str:
    return _named(match, lambda value: f"{match[1]}  {MASK}\n")


def _rest_of_line(match: re.Match[str]) -> str:
    """A password may have spaces; of other secrets one word is masked, if nothing but a comment follows."""
    name, value = match[2], match[4]
    rest = value.partition(" ")[2]
    if has_spaces(name) or not rest.strip() or rest.lstrip().startswith("#"):
        return _named(match)
    return match[0]


def _told(match: re.Match[str]) -> str:
    """A secret in a sentence has digits; a number alone, or a short word with one, is no token."""
    letters = any(character.isalpha() for character in match[4])
    return _named(match) if has_spaces(match[2]) or (letters and len(match[4]) > 7) else match[0]


def _flagged(match: re.Match[str]) -> str:
    plain = match[2].startswith(_NO_SECRET) or _NO_VALUE.match(match[4])
    return match[0] if plain else _named(match)
