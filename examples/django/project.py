"""A Django project in one file: takes a file and a question, and shows the answer when it is there.

Run it with `python project.py runserver`, or with `gunicorn project:application`. It needs `raylane[charts]` and
`django`.
"""

import os
import secrets
import sys
from collections.abc import Callable

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET, require_POST

from raylane import InvalidRequest, JobNotFound, JobRecord, QueueUnavailable, RaylaneError
from raylane.notebook import html_of
from raylane.sync import Producer

if not settings.configured:
    settings.configure(
        # A key of its own for each start ends all sessions: set one where it matters.
        SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
        ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{__name__}.ErrorsAsAnswers",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATA_UPLOAD_MAX_MEMORY_SIZE=1024 * 1024,
        USE_TZ=True,
    )
    django.setup()

# One producer for all requests and threads. It reads RAYLANE_REDIS__URL, and connects when it is first used. Each
# process that gunicorn forks has connections of its own.
PRODUCER = Producer()

_STATUS = {JobNotFound: 404, QueueUnavailable: 503, InvalidRequest: 400}


class ErrorsAsAnswers:
    """Turns an error of Raylane into an answer with its code and its message."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, RaylaneError):
            return None
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
        return JsonResponse(error.info().model_dump(mode="json"), status=status)


def session_of(request: HttpRequest) -> str:
    """Returns the visitor's own session. With a login, take the id of the user."""
    return request.session.setdefault("raylane", f"web-{secrets.token_hex(8)}")


def own_record(request: HttpRequest, job_id: str) -> JobRecord:
    """Returns the record of a job of this visitor."""
    record = PRODUCER.record(job_id)
    if record.session_id != session_of(request):
        raise Http404  # another visitor learns not even that it is there
    return record


@require_GET
def form(request: HttpRequest) -> HttpResponse:
    session_of(request)
    return page(
        '<form method="post" action="/ask" enctype="multipart/form-data">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}"><input type="file" name="file" required>'
        '<input name="question" placeholder="sum of amount by region" required><button>Ask</button></form>',
        get_token(request),
    )


@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Uploads the file, asks, and leads to the answer, which need not be there yet."""
    given, question = request.FILES.get("file"), request.POST.get("question", "")
    if given is None:
        raise InvalidRequest.field("file", "required")
    # The open file is read piece by piece; above 8 MiB it goes straight to S3.
    upload = PRODUCER.upload(given, filename=given.name, session_id=session_of(request))
    job = PRODUCER.generate(question, session_id=session_of(request), execute=True, after=[upload])
    return HttpResponseRedirect(f"/answers/{job.id}")


@require_GET
def answer(request: HttpRequest, job_id: str) -> HttpResponse:
    """Shows the answer. Until it is there, the page says how far the job is, and asks again."""
    record = own_record(request, job_id)
    if "application/json" in request.headers.get("Accept", ""):
        shown = {"status": record.status, "answer": record.answer and record.answer.model_dump(mode="json")}
        return JsonResponse(shown, status=200 if record.status.is_final else 202)
    response = page("{}", mark_safe(html_of(record)))  # noqa: S308  # as in a notebook: everything in it is escaped
    if not record.status.is_final:
        response["Refresh"] = "1"
    return response


def page(content: str, *values: object) -> HttpResponse:
    body = format_html(content, *values)
    return HttpResponse(format_html("<!doctype html><title>Raylane</title><body>{}</body>", body))


urlpatterns = [path("", form), path("ask", ask), path("answers/<slug:job_id>", answer)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
