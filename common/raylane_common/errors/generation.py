"""Errors of generating code."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class GenerationError(RaylaneError):
    """The generator produced no runnable code. `details["supported"]` lists what templates understand."""


class NotUnderstood(GenerationError):
    """The template generator could not use every word of the prompt; `details["unconsumed"]` lists the rest.

    What to do: rephrase the prompt like one of the forms in `details["supported"]`, or configure a model.
    """

    code = "not_understood"


class NeedsModel(GenerationError):
    """The prompt asks for something beyond templates, such as a plot or a prediction.

    What to do: set `RAYLANE_GENERATION__MODEL` and use generator `agent`.
    """

    code = "needs_model"


class UnknownColumn(GenerationError):
    """The prompt names a column that no source has; `details["nearest"]` suggests some.

    What to do: use a name from `raylane sources`.
    """

    code = "unknown_column"


class AmbiguousColumn(GenerationError):
    """The prompt names a column that could be any of several.

    What to do: write the column's full name.
    """

    code = "ambiguous_column"


class AmbiguousPrompt(GenerationError):
    """The template generator can read the prompt in several ways; `details["choices"]` has a prompt for each.

    What to do: use one of the choices, or put the names of columns between quotes.
    """

    code = "ambiguous"


class TypeMismatch(GenerationError):
    """The operation does not fit the column's type, such as the mean of text.

    What to do: choose another column or operation.
    """

    code = "type_mismatch"


class UnknownSource(GenerationError):
    """The prompt names a source that the session does not have.

    What to do: use a name from `raylane sources`.
    """

    code = "unknown_source"


class AmbiguousSource(GenerationError):
    """The session has several sources, and the prompt does not say which one it means.

    What to do: name the source in the prompt.
    """

    code = "ambiguous_source"


class NoCode(GenerationError):
    """The job has no code that could be run again: it is not a `generate` job, or it ended before it wrote any.

    What to do: `raylane history` shows which jobs have code.
    """

    code = "no_code"


class VerificationFailed(GenerationError):
    """No allowed version of the code passed verification; `details["findings"]` holds the findings of the last one.

    What to do: rephrase the prompt, or allow more versions.
    """

    code = "verification_failed"


class InvalidAnswer(GenerationError):
    """A run wrote an answer that is not one: it is too large, contradicts itself, or names files that do not exist.

    What to do: give the answer only through `raylane_run.answer`, or rephrase the prompt.
    """

    code = "invalid_answer"


class NoAnswer(GenerationError):
    """The code ran, but gave no answer.

    What to do: rephrase the prompt; the output of the run may say why.
    """

    code = "no_answer"


class GenerationRefused(GenerationError):
    """The agents ended without submitting code; the message holds their reason.

    What to do: rephrase the prompt.
    """

    code = "generation_refused"


class ModelUnavailable(GenerationError):
    """The model's service did not answer, throttled the request, or stopped in the middle of an answer.

    What to do: check the service and its quotas.
    """

    code = "model_unavailable"
    retryable_by_default = True


class ModelMisconfigured(GenerationError):
    """The model's service refused the request: no credentials, no access, or an unknown model or provider.

    What to do: check `RAYLANE_GENERATION__MODEL`, its region, address and key.
    """

    code = "model_misconfigured"
