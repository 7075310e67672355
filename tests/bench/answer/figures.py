"""What is measured: questions and bare jobs in turn, on one embedded stack whose cluster is warm."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

import boto3  # type: ignore[import-untyped]  # it has no types
from botocore.config import Config

from raylane_worker.embedded import EmbeddedStack, embedded_valkey
from tests.bench.answer import before
from tests.bench.answer.parts import median, medians, outside_ray_s, parts, total_s
from tests.bench.files import GIB, MIB, data_file
from tests.bench.processes import ROOT, BenchError
from tests.bench.ray.children import Child
from tests.helpers.servers import Background

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import JsonValue

    Figures = dict[str, Any]

LOCAL: Final = "local"
DISTRIBUTED: Final = "distributed"
_HERE: Final = Path(__file__).parent
_WORKER: Final = ("-P", "-c", "from raylane_worker.cli import main; main()", "run", "--log-level", "warning")
_SMALL: Final = "average temp_max by weather"
_LARGE: Final = "average amount by city"
# The earlier version does not know this setting.
_READABLE: Final = "RAYLANE_STORAGE__READABLE"
_BUCKET: Final = "bench-data"
_START_S: Final = 60.0
# A warm run is started, has imported everything, and leaves the cores to what is measured.
_WARM_S: Final = 8.0
_ASK_S: Final = 900.0


@dataclass(frozen=True)
class Case:
    """One file size, and how often it is asked about with each engine."""

    name: str
    size_bytes: int
    rounds: Mapping[str, int]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int = 7
    cases: Sequence[Case] = (
        Case("1 MiB", MIB, {LOCAL: 7, DISTRIBUTED: 3}),
        Case("64 MiB", 64 * MIB, {LOCAL: 5, DISTRIBUTED: 3}),
        Case("1 GiB", GIB, {DISTRIBUTED: 3}),
    )


QUICK: Final = Sizes(rounds=2, cases=(Case("1 MiB", MIB, {LOCAL: 2, DISTRIBUTED: 1}),))


@dataclass
class Asked:
    """What the rounds of one kind found: the moments of each question, and its parts."""

    moments: list[Figures] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)

    @property
    def median_s(self) -> float | None:
        return median(total_s(each) for each in self.moments)

    @property
    def outside_ray_s(self) -> float | None:
        return median(outside_ray_s(each) for each in self.moments)


class Version:
    """One version of Raylane: a worker, and a service that asks."""

    def __init__(self, name: str, environment: Mapping[str, str], stack: ExitStack) -> None:
        """`environment` has the addresses, and the path of imports of another version."""
        worker = Child(f"{name}-worker", [sys.executable, *_WORKER], env=environment)
        self._worker = stack.enter_context(worker)
        asker = Child(f"{name}-asker", [sys.executable, "-P", str(_HERE / "asker.py")], env=environment)
        self._asker = stack.enter_context(asker)

    def upload(self, path: Path | str, session: str) -> Figures:
        return self._order({"do": "upload", "path": str(path), "session": session})

    def ask(self, question: str, session: str, engine: str | None) -> Figures:
        return self._order({"do": "ask", "question": question, "session": session, "engine": engine})

    def _order(self, order: dict[str, JsonValue]) -> Figures:
        self._asker.send(order)
        answer: Figures = self._asker.receive(_ASK_S, while_runs=self._worker)
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer


class Bench:
    """Measures on one stack: `with Bench(sizes) as bench: found = bench.run()`."""

    def __init__(self, sizes: Sizes, *, with_before: bool) -> None:
        self.notes: list[str] = []
        self._sizes = sizes
        self._with_before = with_before
        self._environment: dict[str, str] = {}
        self._open = ExitStack()
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._directory = Path(stack.enter_context(TemporaryDirectory(prefix="raylane-bench-")))
            self._traces = self._directory / "traces"
            self._traces.mkdir()
            shutil.copy(_HERE / "run_trace.py", self._traces / "sitecustomize.py")
            background = stack.enter_context(Background())
            with _import_path(f"{self._traces}{os.pathsep}{before.import_path(ROOT)}"):
                embedded = background.enter(EmbeddedStack())
            assert embedded.ray is not None
            self._say("the servers are up")
            says: JsonValue = {"url": embedded.ray.url, "token": embedded.ray.token}
            bare = Child("bare", [sys.executable, "-m", "tests.bench.answer.bare"], says=says)
            self._bare = stack.enter_context(bare)
            environment = embedded.settings_env() | {
                "RAYLANE_GENERATION__GENERATOR": "template",
                _READABLE: json.dumps([_BUCKET]),
            }
            self._environment, self._background = environment, background
            self._ours = Version("ours", environment, stack)
            self._before: Version | None = None
            if self._with_before:
                # Its own Redis, because the two versions do not share one.
                url = background.enter(embedded_valkey()).url
                known = {name: value for name, value in environment.items() if name != _READABLE}
                self._before = self._before_at(known | {"RAYLANE_REDIS__URL": url}, stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self) -> Figures:
        """Returns the figures. What could not be measured is None, and a note says why."""
        found = self._in_turn()
        warm = self._warm()
        local, distributed, earlier = found[LOCAL], found[DISTRIBUTED], found["before"]
        return {
            "bare_s": self._bare_s["ours"],
            "local_s": local.median_s,
            "distributed_s": distributed.median_s,
            "warm_s": warm.median_s,
            "before_s": earlier.median_s,
            "outside_ray_s": local.outside_ray_s,
            "parts": {
                LOCAL: medians(local.parts),
                DISTRIBUTED: medians(distributed.parts),
                "warm": medians(warm.parts),
                "bare": {
                    "polled_as_ours": self._bare_s["ours"],
                    "as_its_cli": self._bare_s["cli"],
                    "ray": self._ray_s,
                    "beside_warm": median(self._beside_warm_s),
                },
            },
            "sizes": {case.name: self._case(case) for case in self._sizes.cases},
        }

    def _in_turn(self) -> dict[str, Asked]:
        """Asks about the small file in rounds, in which all take turns, after one round that does not count."""
        data = _small_file()
        found = {name: Asked() for name in (LOCAL, DISTRIBUTED, "before")}
        bare: dict[str, list[Figures]] = {"ours": [], "cli": []}
        self._take("upload", lambda: self._ours.upload(data, "small"))
        if self._before is not None:
            earlier = self._before
            if self._take(f"upload at {before.COMMIT}", lambda: earlier.upload(data, "small")) is None:
                self._before = None
        for number in range(self._sizes.rounds + 1):
            self._say(f"round {number} of {self._sizes.rounds}")
            for way, known in bare.items():
                known.append(self._bare_job(way))
            for engine in (LOCAL, DISTRIBUTED):
                self._ask(found[engine], self._ours, _SMALL, "small", engine)
            if self._before is not None:
                self._ask(found["before"], self._before, _SMALL, "small", None)
            if not number:
                found = {name: Asked() for name in found}
                bare = {way: [] for way in bare}
        self._bare_s = {way: median(each["took_s"] for each in known) for way, known in bare.items()}
        self._ray_s = median(each["ray_s"] for each in bare["ours"])
        return found

    def _warm(self) -> Asked:
        """Asks a worker that keeps a warm run, in turn with bare jobs."""
        found, self._beside_warm_s = Asked(), list[float]()
        with ExitStack() as stack:
            valkey, leave = self._background.enter_closable(embedded_valkey())
            stack.callback(leave)
            warm = {"RAYLANE_REDIS__URL": valkey.url, "RAYLANE_RAY__WARM_RUNS": "1"}
            version = Version("warm", self._environment | warm, stack)
            self._take("upload", lambda: version.upload(_small_file(), "small"))
            for number in range(self._sizes.rounds + 1):
                self._say(f"warm, round {number} of {self._sizes.rounds}")
                time.sleep(_WARM_S)
                bare = self._bare_job("ours")
                self._ask(found, version, _SMALL, "small", LOCAL)
                if number:
                    self._beside_warm_s.append(bare["took_s"])
                else:
                    found = Asked()
        return found

    def _case(self, case: Case) -> Figures:
        session = case.name.replace(" ", "-")
        uploaded = self._take(
            f"upload of {case.name}",
            lambda: self._ours.upload(self._on_s3(data_file(self._directory, case.size_bytes)), session),
        )
        asked = {engine: Asked() for engine in case.rounds}
        if uploaded is not None:
            for engine, rounds in case.rounds.items():
                for number in range(rounds):
                    self._say(f"{case.name}, {engine}: {number + 1} of {rounds}")
                    self._ask(asked[engine], self._ours, _LARGE, session, engine)
        figures: Figures = {f"{engine}_s": each.median_s for engine, each in asked.items()}
        figures |= {f"{engine}_parts": medians(each.parts) for engine, each in asked.items()}
        return figures | {"upload_s": uploaded and uploaded["took_s"], "rows": uploaded and uploaded["rows"]}

    def _on_s3(self, path: Path) -> str:
        """Puts the file on S3 and returns its URI: the server takes minutes to join the parts of a large upload."""
        s3 = boto3.client(
            "s3",
            endpoint_url=self._environment["RAYLANE_AWS__ENDPOINT_URL"],
            region_name=self._environment["RAYLANE_AWS__REGION"],
            aws_access_key_id=self._environment["RAYLANE_AWS__ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["RAYLANE_AWS__SECRET_ACCESS_KEY"],
            config=Config(read_timeout=_ASK_S, retries={"max_attempts": 0}),
        )
        s3.create_bucket(Bucket=_BUCKET)
        with path.open("rb") as file:
            s3.put_object(Bucket=_BUCKET, Key=path.name, Body=file)
        path.unlink()
        return f"s3://{_BUCKET}/{path.name}"

    def _ask(self, asked: Asked, version: Version, question: str, session: str, engine: str | None) -> None:
        what = f"{question!r}, {engine or before.COMMIT}"
        moments = self._take(what, lambda: version.ask(question, session, engine))
        if moments is not None:
            asked.moments.append(moments)
            if version is not self._before:
                asked.parts.append(parts(moments, self._trace(moments["run_id"])))

    def _trace(self, run_id: str) -> Figures | None:
        try:
            found: Figures = json.loads((self._traces / f"{run_id}.json").read_text())
        except FileNotFoundError:
            self._note("a script left no moments: its time is not split")
            return None
        return found

    def _bare_job(self, way: str) -> Figures:
        self._bare.send(way)
        answer: Figures = self._bare.receive(_START_S)
        return answer

    def _before_at(self, environment: Mapping[str, str], stack: ExitStack) -> Version | None:
        try:
            tree = before.unpack(self._directory)
        except BenchError as error:
            self._note(f"{before.COMMIT}: {error}")
            return None
        return Version("before", {**environment, "PYTHONPATH": before.import_path(tree)}, stack)

    def _take(self, what: str, measure: Any) -> Figures | None:
        """Returns what `measure` returns; None, with a note, if it cannot be measured."""
        try:
            found: Figures = measure()
        except BenchError as error:
            self._note(f"{what}: {error}")
            return None
        return found

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self._say(text)
            self.notes.append(text)

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began_s:5.0f} s: {text}", file=sys.stderr, flush=True)


@contextmanager
def _import_path(value: str) -> Iterator[None]:
    """Sets Python's path of imports for the processes that are started during the block."""
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = value
    try:
        yield
    finally:
        if known is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = known


def _small_file() -> Path:
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise BenchError("the package vega_datasets is missing")
    return Path(spec.origin).parent / "_data" / "seattle-weather.csv"
