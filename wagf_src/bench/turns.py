"""Cases measured against a reference, in turns."""

import contextlib

import numpy as np

from wagf_src.bench import worker
from wagf_src.errors import UserError


def compare(
    reference: dict, cases: list[dict], rounds: int, *requests: dict, first_images: int | None = None
) -> list[dict]:
    """Measure every case against the reference, in turns.

    Args:
        reference, cases: each ``{"label", "kind", "pixels", ...}`` as :class:`~wagf_src.bench.worker.Worker` takes it.
        rounds: how often both are asked, after one call each that is not counted.
        requests: what to ask, one after the other; ``what`` (or the case's kind) names the row.
        first_images: of the call that is not counted; None takes as many as in a round.

    Returns:
        One row a case and request, the reference first: seconds per image (median, low, high over rounds), ratio to the
        reference (likewise; above 1 is faster), seconds of start and first call, peak memory. A case whose process
        ends is left out, with a line that says so.
    """
    rows, begun, own = [], {}, {}
    with worker.Worker(reference) as first:
        for case in cases or [None]:
            try:
                with worker.Worker(case) if case else contextlib.nullcontext() as second:
                    workers = [first, second] if case else [first]
                    for n, request in enumerate(requests):
                        opening = request | ({"images": first_images} if first_images else {})
                        begun[n] = begun.get(n) or first.ask(**opening)
                        opened = second.ask(**opening) if case else None
                        mine, *others = _in_turns(workers, request, rounds)
                        own.setdefault(n, []).extend(mine)
                        for theirs in others:
                            rows.append(_row(second, reference["label"], request, opened, theirs, mine))
                            print(f"  {_line(rows[-1])}", flush=True)
            except UserError as error:
                print(f"  left out: {error}", flush=True)
        return [_row(first, "", requests[n], begun[n], answers) for n, answers in own.items()] + rows


def _in_turns(workers, request, rounds) -> list[list[dict]]:
    """The answers of each worker; who begins changes from round to round."""
    answers = [[] for _ in workers]
    for k in range(rounds):
        for worker_, into in list(zip(workers, answers))[:: -1 if k % 2 else 1]:
            into.append(worker_.ask(**request))
    return answers


def _row(process, reference, request, opened, answers, against=None) -> dict:
    case, each = process.case, _seconds(answers)
    row = {
        "case": case["label"],
        "what": request.get("what", case["kind"]),
        "pixels": case["pixels"],
        "batch": case.get("batch"),
        "backend": case.get("backend", "tensorflow"),
        "precision": case.get("precision", "float32"),
        "rounds": len(answers),
        "images": answers[0]["images"],
        "seconds_per_image": np.median(each),
        "seconds_low": each.min(),
        "seconds_high": each.max(),
        "fit_share": np.median([a["fit"] / a["seconds"] for a in answers]) if "fit" in answers[0] else None,
        "start_seconds": process.start_seconds,
        "first_seconds": opened["seconds"],
        "peak_mib": answers[-1]["peak_mib"],
        "bytes_per_image": answers[-1].get("bytes_per_image"),
        "reference": reference,
    }
    if against:
        ratios = _seconds(against) / each
        row |= {"ratio": np.median(ratios), "ratio_low": ratios.min(), "ratio_high": ratios.max()}
    return row


def _seconds(answers) -> np.ndarray:
    return np.array([a["seconds"] / a["images"] for a in answers])


def _line(row) -> str:
    return (
        f"{row['case']}, {row['what']}, {row['pixels']} px, {row['backend']} {row['precision']}: "
        f"{1 / row['seconds_per_image']:.4g} images/s, {row['ratio']:.3f} times as fast "
        f"[{row['ratio_low']:.3f}, {row['ratio_high']:.3f}] as the reference ({row['reference']})"
    )
