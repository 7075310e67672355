"""Random programs of pandas: what runs without an error must not have a finding about a column.

`python -m tests.fuzz.frames --count 20000 --seed 1` prints each program for which that is not so.
"""

from __future__ import annotations

import argparse
import io
import warnings
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from raylane_common.wire.names import Engine
from raylane_worker.generation.verify import verify
from tests.unit.generation.local_corpus import SOURCES, objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane_common.wire.generate import Finding

START: Final = f"""import pandas as pd
from raylane_run import answer, read
df = read({SOURCES[1].location!r})
other = read({SOURCES[2].location!r})
answer.value("rows", len(df))
"""
# § is a frame, $ the name of a column, % the name of a new one.
_STEPS: Final = (
    "§.assign(%=1)",
    "§.assign(%=lambda d: d['$'])",
    "§.rename(columns={'$': '%'})",
    "§.drop(columns=['$'])",
    "§.drop(columns='$', errors='ignore')",
    "§.drop('$', axis=1)",
    "§[['$', '$']]",
    "§[['$']]",
    "§[§['$'].notna()]",
    "§[§['$'] == 3]",
    "§[(§['$'] != 1) & ~§['$'].isna()]",
    "§.loc[§['$'].notna(), ['$']]",
    "§.set_index('$')",
    "§.set_index(['$', '$'])",
    "§.reset_index()",
    "§.reset_index(drop=True)",
    "§.reset_index(names='%')",
    "§.rename_axis('%')",
    "§.rename_axis(columns='%')",
    "§.groupby('$').size()",
    "§.groupby('$', as_index=False).size()",
    "§.groupby('$').size().reset_index(name='%')",
    "§.groupby(['$', '$'], dropna=False)['$'].count()",
    "§.groupby('$')['$'].count().reset_index(name='%')",
    "§.groupby('$')['$'].count().rename('%').reset_index()",
    "§.groupby('$')['$'].count().to_frame('%')",
    "§.groupby('$')['$'].count().to_frame()",
    "§.groupby('$', as_index=False)['$'].nunique()",
    "§.groupby('$')[['$', '$']].count()",
    "§.groupby('$').agg(%=('$', 'count'), extra=('$', 'size'))",
    "§.groupby('$', as_index=False).agg(%=('$', 'count'))",
    "§.groupby('$').agg({'$': 'count'})",
    "§.groupby('$').agg({'$': ['count', 'size']})",
    "§.groupby('$')['$'].agg(['count', 'size'])",
    "§.groupby('$')['$'].agg(%='count')",
    "§.groupby('$')['$'].agg('count').reset_index()",
    "§.groupby('$').agg('size').reset_index(name='%')",
    "§.groupby('$').count()",
    "§.groupby('$').count().reset_index()",
    "§.groupby('$').first().reset_index()",
    "§.groupby('$').head(2)",
    "§.groupby('$').apply(lambda part: part.head(1))",
    "§.groupby('$').apply(lambda part: part.assign(%=1))",
    "§.groupby('$').filter(lambda part: part['$'].count() >= 0)",
    "§.groupby(level=0).count()",
    "§.groupby(§['$']).size().reset_index(name='%')",
    "§.groupby(§['$'].rename('%')).size()",
    "§.groupby('$').value_counts().reset_index()",
    "§.groupby('$')['$'].value_counts().reset_index()",
    "§.merge(other, on='$', how='left')",
    "§.merge(other, on='$', suffixes=('', '_%'))",
    "§.merge(other, left_on='$', right_on='customer_id')",
    "§.merge(other[['customer_id', 'name']], left_on='$', right_on='customer_id', indicator=True)",
    "§.merge(§.groupby('$')['$'].count(), on='$')",
    "§.merge(§.groupby('$').size().rename('%'), on='$')",
    "§.merge(§.groupby('$').size().rename('%').reset_index(), on='$')",
    "§.merge(other, how='cross').head(20)",
    "§.merge(§, left_index=True, right_index=True)",
    "pd.merge(§, other, on='$', how='outer')",
    "§.join(other.set_index('customer_id')[['name']], on='$')",
    "§.join(other.set_index('customer_id'), on='$', rsuffix='_%')",
    "§.join(§.groupby('$').size().rename('%'), on='$')",
    "pd.concat([§, other])",
    "pd.concat([§, other], ignore_index=True)",
    "pd.concat([§, other], keys=['a', 'b'], names=['%', None]).reset_index()",
    "pd.concat([§, other.add_prefix('%')], axis=1)",
    "§.melt(id_vars='$')",
    "§.melt('$', ['$'])",
    "§.melt(id_vars=['$'], value_vars=['$'], var_name='%', value_name='amounts')",
    "pd.melt(§, id_vars=['$'])",
    "§.pivot_table(index='$', columns='$', values='$', aggfunc='count')",
    "§.pivot_table(index='$', values='$', aggfunc='count')",
    "§['$'].value_counts()",
    "§['$'].value_counts().reset_index()",
    "§['$'].value_counts().rename_axis('%').reset_index(name='extra')",
    "§.value_counts('$').reset_index()",
    "§.value_counts(['$', '$']).reset_index(name='%')",
    "§.describe()",
    "§.describe().reset_index()",
    "§.isna().sum().reset_index()",
    "§.isna().sum().rename_axis('%').reset_index(name='missing')",
    "§.count().to_frame('%')",
    "§.sort_values('$')",
    "§.sort_values(['$', '$'], ascending=False)",
    "§.drop_duplicates('$')",
    "§.dropna(subset=['$'])",
    "§.fillna(0)",
    "§.astype(str)",
    "§.head(7).copy()",
    "§.nlargest(3, '$')",
    "§.explode('$')",
    "§.T",
    "§.add_suffix('_%')",
    "§.select_dtypes('number')",
    "§.filter(items=['$', '$'])",
    "§.pipe(lambda d: d.assign(%=d['$']))",
    "§.pipe(lambda d, by: d.groupby(by).size().reset_index(name='%'), '$')",
    "pd.DataFrame({'$': [1, 2, 3, 4], '%': [5, 6, 7, 8]})",
    "pd.DataFrame({'low': §.groupby('$')['$'].min(), '%': 1}).reset_index()",
    "pd.DataFrame({'low': §['$'], '%': §['$']})",
    "pd.DataFrame([{'$': 1, '%': 2}, {'extra': 3}, {'extra': 4}, {'extra': 5}])",
    "pd.DataFrame(§.to_dict('records'))",
    "pd.DataFrame([{'%': row['$']} for row in §.to_dict('records')])",
    "pd.DataFrame([{'%': key, 'n': len(part)} for key, part in §.groupby('$')])",
    "pd.DataFrame([{**row, '%': 1} for row in §.to_dict('records')])",
    "§.stack().reset_index()",
    "§.corr(numeric_only=True).reset_index()",
    "§.set_index('order_date').resample('MS')['$'].count().reset_index()",
    "§.resample('MS', on='order_date')['$'].count().reset_index()",
    "§.resample('MS', on='order_date').agg({'$': 'count'}).reset_index()",
    "§.groupby(pd.Grouper(key='order_date', freq='MS'))['$'].count().reset_index(name='%')",
    "§.groupby([pd.Grouper(key='order_date', freq='MS'), '$']).size().reset_index(name='%')",
    "§.squeeze()",
    "§ if len(§) > 5 else §.assign(%=1)",
)
# What a loop deletes shows that it had a round.
_STATEMENTS: Final = (
    "§['%'] = 1",
    "§['%'] = §['$']",
    "§[['%', 'extra']] = 0",
    "§.loc[§['$'].notna(), '%'] = 1",
    "§.insert(0, '%', 1)",
    "§.columns = [f'{name}_' for name in §.columns]",
    "§.index.name = '%'",
    "§.columns.name = '%'",
    "§.rename(columns={'$': '%'}, inplace=True)",
    "§.name = '%'",
    "del §['$']",
    "for key, part in §.groupby('$'):\n    part['$']\ndel key, part",
    "for row in §.to_dict('records'):\n    row['$']\ndel row",
    "for index, row in §.iterrows():\n    row['$']\ndel row",
    "§.apply(lambda row: row['$'], axis=1)",
    "§['$']",
    "§.groupby('$').size()",
    "§.sort_values('$')",
    "answer.chart('histogram', data=§, x='$')",
    "answer.chart('bar', data=§, x='$', y='$')",
)
_NEW: Final = ("total", "n", "kind", "amount", "count", "city")
_ODD: Final = ("index", "level_0", "value", "variable", "size", "count", "extra", "low", "name_x", "city_x", "_merge")


def program(random: Random, known: Mapping[str, pd.DataFrame]) -> tuple[str, str | None]:
    """Returns lines that make frames of frames, and the error with which they end, or None.

    Names are mostly those that the frame has. Most of the lines that fail are left out.
    """
    scope = _run(START.replace("from raylane_run import answer, read", ""), _kit(known))
    lines: list[str] = []
    frames = ["df"]
    for _ in range(random.choice((2, 3, 4, 6))):
        frame = frames[-1] if random.random() < 0.8 else random.choice(frames)
        is_step = random.random() < 0.6
        line = _filled(random, random.choice(_STEPS if is_step else _STATEMENTS), frame, _names(random, scope[frame]))
        line = f"x{len(frames)} = {line}" if is_step else line
        error = _failure(line, scope)
        if is_step and error is None and not _says_something(scope[f"x{len(frames)}"]):
            continue
        if error is not None and random.random() < 0.95:
            continue
        lines.append(line)
        if error is not None:
            return "\n".join(lines), error
        frames += [f"x{len(frames)}"] * is_step
    return "\n".join(lines), None


def _says_something(made: Any) -> bool:
    """Returns whether using a wrong name of a column of this frame surely raises.

    Nothing looks at the columns of no rows, and pandas takes as many names as there are rows for labels of them.
    """
    return isinstance(made, pd.DataFrame | pd.Series) and len(made) > 3


def _names(random: Random, frame: Any) -> list[str]:
    """Returns names of columns that the frame has, or of others."""
    if random.random() < 0.1:
        return [*_NEW, *_ODD]
    own = [*getattr(frame, "columns", ()), *getattr(getattr(frame, "index", None), "names", ())]
    return [name for name in own if isinstance(name, str) and name] or [*_ODD]


def _filled(random: Random, text: str, frame: str, names: list[str]) -> str:
    text = text.replace("§", frame)
    while "$" in text:
        text = text.replace("$", random.choice(names), 1)
    return text.replace("%", random.choice(_NEW))


@dataclass
class _Drawn:
    """Stands in for `answer`, and raises where the kit would for a column that is missing."""

    given: list[Any] = field(default_factory=list)

    def value(self, name: str, x: object) -> None:
        """Takes any value."""

    def chart(self, kind: str, data: Any, x: str, y: str | None = None) -> None:
        """Raises `KeyError` for a column that the rows do not have."""
        from raylane_worker.run_kit.raylane_run.answer_rows import rows_of

        known = {column.name for column in rows_of(data).columns}
        for name in (x, y):
            if name is not None and name not in known:
                raise KeyError(name)


def frames() -> Mapping[str, pd.DataFrame]:
    """Returns the frames that programs read, by their locations."""
    read = {uri: pd.read_csv(io.BytesIO(body)) for uri, body in objects().items()}
    read[SOURCES[1].location]["order_date"] = pd.to_datetime(read[SOURCES[1].location]["order_date"])
    return read


def _kit(known: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    return {"read": lambda uri: known[uri].head(40).copy(), "answer": _Drawn()}


def _run(code: str, scope: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "main.py", "exec"), scope)
    return scope


def _failure(code: str, scope: dict[str, Any]) -> str | None:
    try:
        _run(code, scope)
    except Exception as error:  # any error ends a program
        return f"{type(error).__name__}: {error}"
    return None


def found_in(lines: str) -> list[Finding]:
    """Returns the findings about columns of a program."""
    return [one for one in verify(f"{START}{lines}\n", SOURCES, Engine.LOCAL) if one.rule == "unknown_column"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    options = parser.parse_args()
    random, known, wrong, ran = Random(options.seed), frames(), 0, 0
    for _ in range(options.count):
        lines, error = program(random, known)
        ran += error is None
        if error is None and (found := found_in(lines)):
            wrong += 1
            print(lines, *(f"{one.line}: {one.message[:300]}" for one in found), "", sep="\n")
    print(f"seed {options.seed}: {options.count:,} programs, {ran:,} ran, {wrong} of them with a finding")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
