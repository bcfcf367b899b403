"""Names of secrets: which options, variables, headers and fields hold one."""

from __future__ import annotations

import re
from functools import lru_cache


def words(text: str) -> frozenset[str]:
    """The words of a text, which are parted by spaces."""
    return frozenset(text.split())


_LAST = words(
    "password passwd passwort kennwort passphrase passcode pwd pw userpass dbpass sshpass pgpassword "
    "token secret secrets passwords credential credentials authorization auth bearer cookie jwt csrftoken sessionid "
    "apikey authtoken accesskey secretkey privatekey licensekey licencekey deploykey "
    "webhook sas otp totp dsn mnemonic connectionstring connstr"
)
"""The last word of the name of a secret."""
_BEFORE = {
    "key": words(
        "api access private secret account shared encryption signing signature master ssh auth subscription license "
        "licence deploy deployment storage service app application consumer client server webhook hmac aes rsa tls ssl "
        "gpg pgp activation product recovery session"
    ),
    # a filter has a low_pass
    "pass": words("user db database smtp mail imap ftp admin root login proxy http https"),
    "pat": words("github gitlab gh ado azure devops personal"),
    "url": words("webhook sas"),
    "uri": words("webhook sas"),
    "header": words("auth authorization authentication cookie bearer"),
    "headers": words("auth authorization authentication"),
    "string": words("connection"),
    "str": words("conn connection"),
    "phrase": words("pass seed recovery"),
    "code": words("recovery backup otp"),
    "codes": words("recovery backup otp"),
}
"""Words that make the last word behind them a secret."""
_KEYS_WITH_NUMBERS = (("access", "key", "id"), ("private", "key", "id"))
_PHRASES = words(
    "password passwords passwd passwort kennwort passphrase pwd secret mnemonic phrase string cookie header"
)
"""The last word of secrets that may have spaces in them."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def is_secret(name: str) -> bool:
    """Whether a key such as `source.password`, `dbPassword` or `api_key` names a secret; `num_tokens` does not."""
    return _is_secret(name)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = _split(name)
    if not words:
        return False
    if tuple(words[-3:]) in _KEYS_WITH_NUMBERS or words == ["pass"] or words[-1] in _LAST:
        return True
    return len(words) > 1 and words[-2] in _BEFORE.get(words[-1], frozenset())


def may_be_ordinary(name: str, value: object) -> bool:
    """Whether the value of a secret's name is none after all: `pass: 2` counts passes."""
    return _split(name) == ["pass"] and re.fullmatch(r"-?\d{1,3}", str(value)) is not None


def has_spaces(name: str) -> bool:
    """Whether a secret of this name may consist of several words."""
    words = _split(name)
    return bool(words) and words[-1] in _PHRASES


def _split(name: str) -> list[str]:
    """The words of a name in small letters, without numbers at its end."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    return words
