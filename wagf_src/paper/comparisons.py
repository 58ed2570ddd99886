"""The rows of the paper's Table 1, and the pairs of arms that differ in one thing."""

import dataclasses
from collections import Counter

from wagf_src.arms import (
    BACKBONES,
    BRANCHES,
    FUSIONS,
    MODULES,
    PAPER_BACKBONE,
    READINGS,
    Arm,
    order_key,
    parse_arm,
    table1_row,
)


def table1_rows(arms: list[str]) -> list[tuple[str, str | None, str | None]]:
    """The rows of Table 1 with the arms that replicate them, then all other arms: (row, arm, the paper's row).

    The six rows come first in their group, under the paper's own names, in the described reading (arm None if it was
    not run). What differs in reading, backbone, initialisation or learning rate follows beside the same row of the
    paper and says so in its name. Arms that the paper has no row for come last. Where arms carry several
    initialisations or learning rates, the paper's names go to the one that most arms have.
    """
    parsed = [parse_arm(name) for name in sorted(arms, key=order_key)]
    variants = [(arm.weights, arm.learning_rate) for arm in parsed if arm.is_network]
    # Ties go to the plain variant.
    usual = max(variants, key=lambda v: (variants.count(v), v == (None, None)), default=(None, None))
    rows = [table1_row(backbone, "base") for backbone in BACKBONES]
    rows += [table1_row(PAPER_BACKBONE, modules) for modules in MODULES if modules != "base"]
    groups = {row: [(row, None, row)] for row in filter(None, rows)}
    others = []
    for arm in parsed:
        row = arm.paper_row
        if row is None:
            others.append((arm.label, arm.name, None))
            continue
        notes = []
        if arm.modules != "base" and arm.backbone != PAPER_BACKBONE:
            notes.append(f"on {BACKBONES[arm.backbone].title}")
        if arm.reading and READINGS[arm.reading]:
            notes.append(READINGS[arm.reading])
        if (arm.weights, arm.learning_rate) != usual:
            notes.append("random initialisation" if arm.weights else "the profile's initialisation")
            if arm.learning_rate is not None:
                notes.append(f"learning rate {arm.learning_rate:g}")
        if notes:
            groups[row].append((f"{row}, {', '.join(notes)}", arm.name, row))
        else:
            groups[row][0] = (row, arm.name, row)
    return [entry for group in groups.values() for entry in group] + others


def comparisons(arms: list[str]) -> list[tuple[str, str, str, str]]:
    """Pairs of arms that differ in one thing: (kind, what is compared, arm a, arm b), to be read as a minus b.

    Kinds: ``ladder`` (a module added, or all up to it), ``backbone``, ``reading`` (described minus released),
    ``fusion`` and ``branch`` (the control minus the paper's own, or minus the module below, which has no branch),
    ``training`` (initialisation, learning rate) and ``probe`` (the trained network minus logistic regression).
    """
    parsed = [parse_arm(name) for name in sorted(arms, key=order_key)]

    def pairs(*differs: str):
        """Pairs (b, a), b first in the order of the arms, that agree in everything but these attributes."""
        same = [f.name for f in dataclasses.fields(Arm) if f.name not in ("name", *differs)]
        for i, b in enumerate(parsed):
            for a in parsed[i + 1 :]:
                if all(getattr(a, k) == getattr(b, k) for k in same):
                    yield b, a

    rows = _ladders(parsed)
    for b, a in pairs("backbone"):
        if a.modules == "base":
            titles = [BACKBONES[arm.backbone].title for arm in (a, b)]
            rows.append(("backbone", " against ".join(titles), a.name, b.name))
    for b, a in pairs("reading", "fusion"):
        controls = [arm.fusion for arm in (a, b) if arm.fusion and FUSIONS[arm.fusion].note]
        if b.reading != a.reading and not controls:
            rows.append(("reading", f"described against released, {b.module.rung}", b.name, a.name))
    for b, a in pairs("fusion"):
        rows.append(("fusion", f"{a.fusion} fusion against {b.fusion}, {a.module.rung}", a.name, b.name))
    for b, a in pairs("branch"):
        titles = [BRANCHES[arm.branch].title for arm in (a, b)]
        rows.append(("branch", f"{' against '.join(titles)}, {a.module.rung}", a.name, b.name))
    for b, a in pairs("modules", "fusion", "branch"):
        control = BRANCHES[a.branch] if a.branch else None
        if b.modules == a.module.below and not b.module.has_fusion and control and a.variants == [control]:
            rows.append(("branch", f"{control.title} against no branch, {a.module.rung}", a.name, b.name))
    for b, a in pairs("weights", "learning_rate"):
        if a.weights != b.weights and a.learning_rate == b.learning_rate:
            rows.append(("training", "random against the profile's initialisation", a.name, b.name))
        elif a.weights == b.weights:
            rates = [f"rate {arm.learning_rate:g}" if arm.learning_rate else "the profile's rate" for arm in (a, b)]
            rows.append(("training", " against ".join(rates), a.name, b.name))
    for probe in parsed:
        trained = f"{probe.backbone}-base"
        if not probe.is_network and trained in arms:
            rows.append(("probe", "trained classifier against linear probe", trained, probe.name))
    count = Counter(what for _, what, _, _ in rows)
    return [(kind, f"{what} ({parse_arm(a).label})" if count[what] > 1 else what, a, b) for kind, what, a, b in rows]


def _ladders(arms: list[Arm]) -> list[tuple[str, str, str, str]]:
    """Each module against the nearest one below it that was run, and against the backbone alone."""
    ladders: dict[tuple, dict[str, Arm]] = {}
    for arm in arms:
        if arm.is_network and not arm.variants:
            for reading in [arm.reading] if arm.reading else READINGS:
                ladders.setdefault((arm.backbone, reading, arm.weights, arm.learning_rate), {})[arm.modules] = arm
    rows = []
    for (_, reading, _, _), present in ladders.items():
        steps = []
        for modules in present:
            lower = next((name for name in _below(modules) if name in present), None)
            # An arm of one form only stands in both ladders; its step to another such arm belongs to the first.
            if lower and (present[modules].reading or not READINGS[reading]):
                steps.append((modules, lower))
        to_lowest = [(a, _below(a)[-1]) for a, _ in steps]
        steps += [(a, lowest) for a, lowest in to_lowest if lowest in present and (a, lowest) not in steps]
        note = f" ({READINGS[reading]})" if READINGS[reading] else ""
        rows += [("ladder", _step(a, b) + note, present[a].name, present[b].name) for a, b in steps]
    return rows


def _below(modules: str) -> list[str]:
    """The modules that this one stands on, the nearest first."""
    lower = MODULES[modules].below
    return [lower, *_below(lower)] if lower else []


def _step(higher: str, lower: str) -> str:
    """What the higher module has and the lower one has not."""
    chain = _below(higher)
    added = [higher, *chain[: chain.index(lower)]]
    if len(added) == 1:
        return MODULES[higher].step or MODULES[higher].adds
    if len(added) > 2 and lower == chain[-1]:
        return "all modules together"
    names = [MODULES[name].adds for name in reversed(added)]
    return f"{', '.join(names[:-1])} and {names[-1]} together"
