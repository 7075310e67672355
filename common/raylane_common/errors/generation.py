"""Errors of generating code."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class GenerationError(RaylaneError):
    """No code that may run came out of the generator. `details["supported"]` lists what the template understands."""


class NotUnderstood(GenerationError):
    """The template generator could not account for every word of the prompt; `details["unconsumed"]` lists them."""

    code = "not_understood"


class NeedsModel(GenerationError):
    """The request is beyond templates (plot, predict, clean …): configure a model and use generator `agent`."""

    code = "needs_model"


class UnknownColumn(GenerationError):
    """The prompt names a column that no source has; `details["nearest"]` suggests."""

    code = "unknown_column"


class AmbiguousColumn(GenerationError):
    """The prompt names a column that fits more than one column."""

    code = "ambiguous_column"


class TypeMismatch(GenerationError):
    """The operation does not fit the column's type, such as the mean of a string."""

    code = "type_mismatch"


class UnknownSource(GenerationError):
    """The prompt names a source that the session does not have."""

    code = "unknown_source"


class AmbiguousSource(GenerationError):
    """The session has several sources and the prompt does not say which."""

    code = "ambiguous_source"


class VerificationFailed(GenerationError):
    """The code broke a verification rule on every allowed attempt; `details["findings"]` holds the last ones."""

    code = "verification_failed"


class GenerationRefused(GenerationError):
    """The generator ended without code; its own words are in the message."""

    code = "generation_refused"


class ModelUnavailable(GenerationError):
    """The model's service did not answer, throttled, or broke off."""

    code = "model_unavailable"
    retryable_by_default = True


class ModelMisconfigured(GenerationError):
    """The model's service refused: no credentials, no access, unknown model or provider."""

    code = "model_misconfigured"
