"""Regression on Laplacian pyramids: a method and a loss for `translate`."""

from translate_acme_laplacian.loss import translate_losses
from translate_acme_laplacian.method import translate_methods

__all__ = ["translate_contract", "translate_losses", "translate_methods"]

translate_contract = ">=2,<3"
