"""`contact.html`: what became of a folder; one file that needs no network."""

from __future__ import annotations

from translate.conversion.report.page import PAGE_NAME, write_report

__all__ = ["PAGE_NAME", "write_report"]
