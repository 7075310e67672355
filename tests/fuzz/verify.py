"""Fuzzes verification: `python -m tests.fuzz.verify --minutes 10 --seed 1` tells what it found, and fails if it did."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import gettempdir
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_common.wire.names import Engine
from raylane_worker.generation import verify as verification
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.fuzz import hostile
from tests.fuzz.mutate import ZOO, mutated, sources
from tests.unit.generation import kit_attacks, local_corpus
from tests.unit.generation.attack_corpus import ATTACKS
from tests.unit.generation.schemas import WEATHER
from tests.unit.generation.translated import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType
    from typing import Any

    from raylane_common.wire.generate import Finding
    from raylane_common.wire.sources import Source

MAX_CPU_S: Final = 0.1
_CHECKS: Final = str(Path(verification.__file__).parent)
_PROMPTS: Final = (
    "describe",
    "missing values",
    "top 5 by wind",
    "count by weather",
    "average wind where weather = 'x'",
)
# Tracing makes verification ten times slower.
_TRACED: Final = 0.1


# What is verified: a script, its sources, and the engine that would run it.
Input: TypeAlias = "tuple[str, list[Source], Engine]"


@dataclass
class Fuzzer:
    """Verifies one random script after another, and remembers those that did something new."""

    seed: int
    verified: int = 0
    accepted: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0
    slowest: Input = ("", [], Engine.LOCAL)
    problems: list[tuple[str, Input]] = field(default_factory=list)
    """What was wrong, with the input."""
    slow: list[tuple[str, Input]] = field(default_factory=list)
    """The same for what took more than 100 ms, which depends on the machine."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._pool = [*seeds()]
        self._lines: set[tuple[CodeType, int]] = set()

    def step(self) -> None:
        """Verifies one script."""
        code, of = mutated(self._random, self._pool), sources(self._random)
        one = (code, of, self._random.choice([*Engine]))
        self.verified += 1
        begun = time.thread_time()
        try:
            found = verify(*one)
        except BaseException as error:  # whatever it is, verification promises that nothing leaves it
            self.problems.append((f"{type(error).__name__}: {error}", one))
            return
        self._measure(time.thread_time() - begun, one)
        self.accepted += not found
        self.rules.update({finding.rule for finding in found})
        self.problems += ((problem, one) for problem in problems_of(found))
        if verify(*one) != found:
            self.problems.append(("the findings differ from time to time", one))
        if self._random.random() < _TRACED and len(code) < 5_000 and self._does_something_new(one):
            self._pool.append(code)

    def _measure(self, took_s: float, one: Input) -> None:
        """Keeps the slowest input. What seems slow is measured again, since other work may have been in the way."""
        if took_s <= self.slowest_s:
            return
        took_s = min(took_s, *(cpu_s(one) for _ in range(3)))
        if took_s > self.slowest_s:
            self.slowest_s, self.slowest = took_s, one
        if took_s > MAX_CPU_S:
            self.slow.append((f"took {took_s * 1000:.0f} ms", one))

    def _does_something_new(self, one: Input) -> bool:
        """Returns whether verification of the code runs a line of the checks that no script ran before."""
        known = len(self._lines)

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            if not frame.f_code.co_filename.startswith(_CHECKS):
                return None
            self._lines.add((frame.f_code, frame.f_lineno))
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            verify(*one)
        finally:
            sys.settrace(before)
        return len(self._lines) > known


def seeds() -> Iterator[str]:
    """Yields scripts to begin with: of the corpora, of the template generator, and hostile ones."""
    yield from (attack.code for attack in ATTACKS)
    for corpus in sorted((Path(__file__).parents[1] / "corpus").glob("good*.json")):
        yield from (translated(entry["code"]) for entry in json.loads(corpus.read_text("utf-8")))
    yield from local_corpus.SCRIPTS.values()
    yield from map(kit_attacks.script, kit_attacks.ATTACKS)
    yield from (write(prompt, [WEATHER], engine=engine).code for prompt in _PROMPTS for engine in Engine)
    yield from [ZOO] * 20
    yield from (code for code, _ in hostile.CASES.values() if len(code) < 5_000)


def problems_of(found: list[Finding]) -> Iterator[str]:
    """Yields what is wrong with findings."""
    if len(found) > 50:
        yield f"{len(found)} findings"
    for finding in found:
        if not 15 < len(finding.message) <= 2000:
            yield f"a message of {len(finding.message)} characters: {finding.message[:200]!r}"
        if not finding.message.isprintable():
            yield f"characters that control a terminal: {finding.message[:200]!r}"
        if finding.line is not None and finding.line < 1:
            yield f"line {finding.line}"
        finding.model_dump_json()


def cpu_s(one: Input) -> float:
    """Returns how long this thread computed to verify the code."""
    begun = time.thread_time()
    verify(*one)
    return time.thread_time() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    parser.add_argument("--out", type=Path, default=Path(gettempdir()) / "fuzz-verify", help="where inputs are kept")
    options = parser.parse_args()
    fuzzer = Fuzzer(options.seed)
    ends_at_s = time.monotonic() + options.minutes * 60
    while time.monotonic() < ends_at_s:
        fuzzer.step()
    options.out.mkdir(parents=True, exist_ok=True)
    for number, (problem, (code, of, engine)) in enumerate(
        [("the slowest", fuzzer.slowest), *fuzzer.slow, *fuzzer.problems[:20]]
    ):
        path = options.out / f"{options.seed}-{number}.json"
        kept = {
            "problem": problem,
            "engine": engine,
            "code": code,
            "sources": [source.model_dump(mode="json") for source in of],
        }
        path.write_text(json.dumps(kept), "utf-8")
        print(f"{problem[:300]}: {path}")
    print(
        f"seed {options.seed}: {fuzzer.verified:,} scripts, {fuzzer.accepted:,} accepted, {len(fuzzer.rules)} rules, "
        f"at most {fuzzer.slowest_s * 1000:.0f} ms, {len(fuzzer.slow + fuzzer.problems)} problems"
    )
    print(", ".join(f"{rule} {count:,}" for rule, count in fuzzer.rules.most_common()))
    return 1 if fuzzer.slow + fuzzer.problems else 0


if __name__ == "__main__":
    sys.exit(main())
