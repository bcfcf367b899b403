"""Secrets that are known by their own form: tokens of well-known services, private keys, addresses of webhooks."""

from __future__ import annotations

import re

MASK = "***"

_KEY_FILE = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"  # AWS
    r"|[A-Za-z0-9+/]{86}=="  # keys of Azure's storage
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|gl(?:pat|dt|rt|ptt|ft|soat|cbt|agent|imt)-[\w.-]{16,}"
    r"|hf_[A-Za-z0-9]{16,}|dapi[0-9a-f]{32}(?:-\d+)?|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{16,}|dckr_[po]at_[\w-]{16,}"
    r"|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}"
    r"|xox[abcdeoprs]-[\w-]{10,}|xoxe\.xox[bp]-[\w-]{10,}|xapp-[\w-]{10,}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,}"  # Google
    r"|\d{8,10}:[\w-]{35}"  # bots of Telegram
    r"|[MNO][\w-]{23,}\.[\w-]{6}\.[\w-]{27,}"  # bots of Discord
    r"|hv[sb]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,}|glsa_\w{20,}|lin_api_\w{20,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"
    r"|r8_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}|figd_[\w-]{30,}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{50,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r")(?![A-Za-z0-9])"
)
_HOOK = re.compile(
    r"((?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api(?:/v\d+)?/webhooks"
    r"|hooks\.zapier\.com/hooks/catch|\.webhook\.office\.com/webhookb2|outlook\.office(?:365)?\.com/webhook"
    r"|maker\.ifttt\.com/trigger/[^/\s]+(?:/json)?/with/key)/)[^\s\"'<>?#]+",
    re.IGNORECASE,
)
_BOT = re.compile(r"(\bapi\.telegram\.org/(?:file/)?bot)[^\s/\"'<>?#]+", re.IGNORECASE)


def without_shapes(text: str) -> str:
    """The text with a mask for everything of such a form."""
    if "PRIVATE KEY" in text:
        text = _KEY_FILE.sub(MASK, text)
    if "/" in text:
        text = _BOT.sub(rf"\g<1>{MASK}", _HOOK.sub(rf"\g<1>{MASK}", text))
    return _TOKEN.sub(MASK, text)
