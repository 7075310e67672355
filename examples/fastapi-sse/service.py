"""A service of your own: takes a file and a question, and relays to a page what happens to the job.

Run it with `uvicorn service:app`. It needs `raylane[gateway]` or `raylane` with `fastapi` and `uvicorn`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse

from raylane import JobNotFound, Producer, QueueUnavailable, RaylaneError

STATUS = {JobNotFound: 404, QueueUnavailable: 503}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # One producer for all requests. It reads RAYLANE_REDIS__URL.
    async with Producer() as app.state.producer:
        yield


def producer_of(request: Request) -> Producer:
    producer: Producer = request.app.state.producer
    return producer


def user_of(x_user: Annotated[str, Header(pattern="^[a-z]{1,20}$")]) -> str:
    # Replace this by your own login: whoever names the session of another user can read its data.
    return x_user


app = FastAPI(lifespan=lifespan)
TheProducer = Annotated[Producer, Depends(producer_of)]
User = Annotated[str, Depends(user_of)]


@app.exception_handler(RaylaneError)
async def answer_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RaylaneError)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
    return JSONResponse(error.info().model_dump(mode="json"), status)


@app.put("/questions/{filename}", status_code=202)
async def ask(filename: str, question: str, request: Request, user: User, producer: TheProducer) -> dict[str, str]:
    """Takes a file as the body and a question, and returns the id of the job at once."""
    upload = await producer.upload(request.stream(), filename=filename, session_id=user)
    job = await producer.generate(question, session_id=user, execute=True, after=[upload])
    return {"job": job.id}


@app.get("/questions/{job_id}/events")
async def events(
    job_id: str, user: User, producer: TheProducer, last_event_id: Annotated[str, Header()] = "0"
) -> StreamingResponse:
    """Sends the events of a job as they happen. A browser that comes back continues where it was."""
    await require_own(job_id, user, producer)

    async def stream() -> AsyncIterator[str]:
        async for event in producer.follow(job_id, after=last_event_id):
            yield f"id: {event.id}\nevent: {event.type}\ndata: {event.model_dump_json(exclude_none=True)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@app.get("/questions/{job_id}/answer")
async def answer(job_id: str, user: User, producer: TheProducer) -> JSONResponse:
    """Returns the answer of a job that has succeeded, with how the question was read."""
    await require_own(job_id, user, producer)
    result = await producer.result(job_id, timeout_s=0.1)
    return JSONResponse(result.model_dump(mode="json", include={"answer", "interpreted_as"}))


async def require_own(job_id: str, user: str, producer: Producer) -> None:
    record = await producer.record(job_id)
    if record.session_id != user:
        raise JobNotFound(f"there is no job {job_id}")
