"""``python -m wagf_src audit TABLE.csv --n 1103``: the audits of the printed numbers, for anyone's table.

A table has one row a model and columns ``accuracy``, ``precision``, ``recall``, ``f1`` as printed (those that it has),
in percent or as fractions; ``row`` or the first other column names the models; a column ``n`` gives the test images
where rows differ. Nothing else is needed. Results are printed, and written beside the table.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from wagf_src.errors import UserError
from wagf_src.paper import audits
from wagf_src.paper.published import Row
from wagf_src.paths import typed

METRICS = ("accuracy", "precision", "recall", "f1")
ALIASES = {"acc": "accuracy", "sensitivity": "recall", "f1score": "f1", "model": "row", "method": "row", "name": "row"}
EMPTY = ("", "-", "–", "—", "n/a", "na", "nan")
MANY = 500  # pairs of rows, some twenty seconds: then a line says what is waited for
NUMBER = re.compile(r"[0-9]+(?:\.([0-9]*))?")


def read(path: Path, n: int | None = None) -> list[Row]:
    """The rows of a table, in percent; each number has the decimals that it is printed with.

    Args:
        path: a CSV file, separated by commas, semicolons or tabs.
        n: test images of the rows that do not name their own; None if all do.

    Raises:
        UserError: one line that says what is wrong in which row and column.
    """
    frame, place = _cells(path), path.name
    names = {column: _standard(column) for column in frame}
    doubled = [name for name in (*METRICS, "n") if list(names.values()).count(name) > 1]
    if doubled:
        raise UserError(f"{place}: {doubled[0]} stands in two columns; leave one")
    known = [column for column in frame if names[column] in METRICS]
    if not known:
        raise UserError(f"{place}: no column is called {', '.join(METRICS[:-1])} or {METRICS[-1]} (first line: names)")
    others = [column for column in frame if names[column] not in (*METRICS, "n")]
    label = next((column for column in others if names[column] == "row"), others[0] if others else None)
    labels = [str(k + 1) for k in range(len(frame))] if label is None else list(frame[label])
    repeated = [text for text in labels if labels.count(text) > 1]
    if repeated:
        raise UserError(f"{place}: two rows are called {repeated[0]!r}; give each its own name")
    sizes = [column for column in frame if names[column] == "n"]
    numbers, digits = {}, {}
    for column in known:
        for text, cell in zip(labels, frame[column]):
            place_of_cell = f"{place}, row {text}, column {column}"
            numbers[text, names[column]], digits[text, names[column]] = _number(cell, place_of_cell)
    given = [value for value in numbers.values() if value is not None]
    if not given:
        raise UserError(f"{place}: there is no number in {', '.join(known)}")
    fractions = max(given) <= 1
    if max(given) > 100:
        (text, name), value = next(item for item in numbers.items() if item[1] is not None and item[1] > 100)
        raise UserError(f"{place}, row {text}, column {name}: {value:g} is no percentage; it must be 100 or less")
    rows = []
    for k, text in enumerate(labels):
        values = [numbers.get((text, name)) for name in METRICS]
        decimals = [digits.get((text, name), 0) - 2 * fractions for name in METRICS]
        values = [v if v is None else round(100 * v, d) if fractions else v for v, d in zip(values, decimals)]
        own = frame[sizes[0]].iloc[k] if sizes else ""
        # Only an accuracy is a number of images.
        size = None if values[0] is None and n is None and not own else _size(own, n, f"{place}, row {text}")
        rows.append(Row(place, text, text, *values, size, tuple(decimals)))
    return rows


def audit(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What arithmetic says of the rows, and of all pairs of rows, by the calls that make this book's own chapter.

    Returns:
        One line a row: row, n, accuracy, verdict (GRIM), k_rounded, k_truncated, nearest_below, nearest_above, ci_low,
        ci_high; precision, recall, f1, bound, excess, violated. One line a pair: as ``audits.power_table``.
    """
    grim = audits.grim_table(rows)
    intervals = audits.interval_table(rows)[["row", "ci_low", "ci_high"]]
    bounds = audits.f1_bound_table(rows).drop(columns=["place", "model", "rounding"])
    order = ["row", "n", "accuracy", "verdict", "k_rounded", "k_truncated", "nearest_below", "nearest_above"]
    lines = pd.DataFrame({"row": [row.row for row in rows]}).merge(grim[order], how="left")
    lines = lines.merge(intervals, how="left").merge(bounds, how="left")
    pairs = audits.every_pair(rows)
    if len(pairs) > MANY:
        print(f"comparing {len(pairs):,} pairs of rows; a thousand take a minute or so", file=sys.stderr)
    return lines, audits.power_table(pairs)


def main(path: str, n: int | None) -> int:
    """Audit a table, print what was found, and write it beside the table without overwriting anything; returns 0.

    Raises:
        UserError: as ``read``; or the results cannot be written.
    """
    file = typed(path)
    rows = read(file, n)
    lines, pairs = audit(rows)
    print(report(rows, lines, pairs))
    for name, frame in (("audit", lines), ("audit-pairs", pairs)):
        if len(frame):
            print(f"written: {_write(file, name, frame)}")
    return 0


def report(rows: list[Row], lines: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The findings for a terminal."""
    accuracy, f1 = lines.dropna(subset="accuracy"), lines.dropna(subset="f1")
    parts = []
    if len(accuracy):
        by = accuracy["verdict"].value_counts()
        parts += [f"Accuracies: {', '.join(f'{count} {verdict}' for verdict, count in by.items())}."]
        parts += [
            f"With n = {n:,}, {audits.share_reachable(n, d):.0%} of all {_numbers(d)} can be had."
            for n, d in sorted({(row.n_test, row.decimals[0]) for row in rows if row.accuracy is not None})
        ]
        parts += [_text(accuracy[["row", "n", "accuracy", "k_rounded", "k_truncated", "verdict", "ci_low", "ci_high"]])]
    if len(f1):
        over = f1["violated"].astype(bool).sum()
        parts += [f"F1: {over} of {len(f1)} exceed (P + R)/2 by more than rounding can add."]
        parts += [_text(f1[["row", "precision", "recall", "f1", "bound", "excess", "violated"]])]
    if len(pairs):
        by = pairs["told_apart"].value_counts()
        shown = ["comparison", "images", "p_unpaired", "p_best", "told_apart", "needed_assumed", "needed_unpaired"]
        parts += [
            "Pairs of rows, at the 5% level, uncorrected: told apart? "
            f"{', '.join(f'{answer}: {by.get(answer, 0)}' for answer in audits.APART)}.",
            _text(pairs[shown]),
            "needed: test images for 80% power; assumed: on the same images, errors correlated with phi = "
            f"{audits.ASSUMED_CORRELATION}.",
        ]
    return "\n\n".join(parts)


def _cells(path):
    """The table as text."""
    try:
        first = path.read_text(encoding="utf-8-sig").lstrip().partition("\n")[0]
        separator = max(",;\t", key=first.count)
        as_text = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        frame = pd.read_csv(path, sep=separator, index_col=False, **as_text)
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read ({error.strerror}); give the path of a CSV file") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        text = " ".join(str(error).split())
        raise UserError(f"{path.name}: not a CSV table ({text}); one line of names, then a line a row") from None
    if not len(frame):
        raise UserError(f"{path.name}: there is no row below the names of the columns")
    return frame.apply(lambda column: column.str.strip())


def _standard(column):
    """``F1-score (%)`` is ``f1score``, and that is ``f1``."""
    name = re.sub(r"\(.*?\)|[^a-z0-9]", "", column.lower())
    return ALIASES.get(name, name)


def _number(cell, place):
    """A cell as a number (None if empty) and its decimals."""
    cell = cell.removesuffix("%").strip()
    if cell.lower() in EMPTY:
        return None, 0
    match = NUMBER.fullmatch(cell)
    if match is None:
        raise UserError(f"{place}: {cell!r} is not a number as printed, such as 85.89 or 0.8589")
    return float(cell), len(match[1] or "")


def _size(own, n, place):
    text = own or ("" if n is None else str(n))
    if not re.fullmatch("[1-9][0-9]*", text):
        wrong = f"{text!r} is no number of test images" if text else "the number of test images is missing"
        raise UserError(f"{place}: {wrong}; give --n 1103, or a column n of whole numbers")
    return int(text)


def _write(file, name, frame):
    """``table-audit.csv`` beside ``table.csv``; if it is there, ``table-audit-2.csv`` and so on."""
    number = 1
    while True:
        target = file.with_name(f"{file.stem}-{name}{f'-{number}' if number > 1 else ''}.csv")
        try:
            with target.open("x", encoding="utf-8") as out:
                frame.to_csv(out, index=False, float_format="%.6g")
            return target
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UserError(f"{target}: cannot be written ({error.strerror}); make room or access") from None


def _numbers(decimals):
    return "tens of percent" if decimals < 0 else f"percentages with {decimals} decimal{'s' * (decimals != 1)}"


def _text(frame):
    return frame.to_string(index=False, na_rep="-", float_format=lambda v: f"{v:.4g}")
