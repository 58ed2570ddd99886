"""The rows of the paper's Table 1, and the pairs of arms that differ in one thing."""

from wagf_src.arms import arm_label, order_key, parse_arm


def table1_row(backbone: str, modules: str) -> str:
    """The name of the row of the paper's Table 1 for these parts of an arm: modules stand on DenseNet-121 there."""
    backbones = {"mobilenetv2": "MobileNet-v2", "resnet50": "ResNet50", "densenet121": "DenseNet-121"}
    return {"base": backbones[backbone], "sa": "(i)", "sa-gf": "(ii)", "wagf": "(iii)"}[modules]


def table1_rows(arms: list[str]) -> list[tuple[str, str | None, str | None]]:
    """The rows of Table 1 with the arms that replicate them, then all other arms: (row, arm, the paper's row).

    The six rows come first in their group, under the paper's own names, in the described reading (arm None if it was not
    run). What differs in reading, backbone, initialisation or learning rate follows beside the same row of the paper and
    says so in its name. Arms that the paper has no row for come last. Where arms carry several initialisations or learning
    rates, the paper's names go to the one that most arms have.
    """
    parsed = [parse_arm(name) for name in sorted(arms, key=order_key)]
    variants = [(arm.weights, arm.learning_rate) for arm in parsed if arm.modules != "probe"]
    # Ties go to the plain variant.
    usual = max(variants, key=lambda v: (variants.count(v), v == (None, None)), default=(None, None))
    six = [(backbone, "base") for backbone in ("mobilenetv2", "resnet50", "densenet121")]
    six += [("densenet121", modules) for modules in ("sa", "sa-gf", "wagf")]
    groups: dict[str, list] = {row: [(row, None, row)] for row in (table1_row(*parts) for parts in six)}
    others = []
    for arm in parsed:
        if arm.modules == "probe" or arm.fusion in ("saliency", "learned") or arm.branch in ("conv", "pool"):
            others.append((arm_label(arm.name), arm.name, None))
            continue
        row = table1_row(arm.backbone, arm.modules)
        notes = []
        if arm.modules != "base" and arm.backbone != "densenet121":
            notes.append(f"on {arm_label(f'{arm.backbone}-base')}")
        if arm.reading == "released":
            notes.append("as released")
        if (arm.weights, arm.learning_rate) != usual:
            notes.append("random initialisation" if arm.weights else "the profile's initialisation")
            if arm.learning_rate is not None:
                notes.append(f"learning rate {arm.learning_rate:g}")
        if notes:
            groups[row].append((f"{row}, {', '.join(notes)}", arm.name, row))
        else:
            groups[row][0] = (row, arm.name, row)
    return [entry for group in groups.values() for entry in group] + others


_STEPS = {
    ("sa", "base"): "soft attention",
    ("sa-gf", "sa"): "gradient-based fusion with the wavelet branch",
    ("wagf", "sa-gf"): "SaFA",
    ("wagf", "sa"): "fusion and SaFA together",
    ("sa-gf", "base"): "soft attention and fusion together",
    ("wagf", "base"): "all modules together",
}


def comparisons(arms: list[str]) -> list[tuple[str, str, str, str]]:
    """Pairs of arms that differ in one thing: (kind, what is compared, arm a, arm b), to be read as a minus b.

    Kinds: ``ladder`` (each module added, and all together), ``backbone``, ``reading`` (described minus released),
    ``fusion`` and ``branch`` (the control minus the paper's own), ``training`` (initialisation, learning rate) and
    ``probe`` (the trained network minus logistic regression).
    """
    parsed = {name: parse_arm(name) for name in sorted(arms, key=order_key)}

    def pairs(differs: tuple[str, ...]):
        """Pairs (b, a), b first in the order of the arms, that agree in everything but these attributes."""
        keep = [
            k
            for k in ("backbone", "modules", "reading", "fusion", "branch", "weights", "learning_rate")
            if k not in differs
        ]
        for i, b in enumerate(parsed.values()):
            for a in list(parsed.values())[i + 1 :]:
                if all(getattr(a, k) == getattr(b, k) for k in keep):
                    yield b, a

    found = []
    place = {name: k for k, name in enumerate(("base", "sa", "sa-gf", "wagf"))}
    ladders: dict[tuple, dict] = {}
    for arm in parsed.values():
        if arm.modules in place and arm.fusion in (None, "eq1", "released") and arm.branch in (None, "haar"):
            for reading in (arm.reading,) if arm.reading else ("described", "released"):
                key = (arm.backbone, reading, arm.weights, arm.learning_rate)
                ladders.setdefault(key, {})[arm.modules] = arm.name
    for (_, reading, _, _), steps_of in ladders.items():
        order = sorted(steps_of, key=place.get)
        steps = list(zip(order[1:], order))
        if len(order) > 2 and order[0] == "base":
            steps.append((order[-1], order[0]))
        for higher, lower in steps:
            what = _STEPS[higher, lower] + (" (as released)" if reading == "released" else "")
            found.append(("ladder", what, steps_of[higher], steps_of[lower]))
    rungs = {"base": "backbone", "sa": "(i)", "sa-gf": "(ii)", "wagf": "(iii)"}
    for b, a in pairs(("backbone",)):
        if a.modules == "base":
            names = [arm_label(f"{arm.backbone}-base") for arm in (a, b)]
            found.append(("backbone", f"{names[0]} against {names[1]}", a.name, b.name))
    for b, a in pairs(("reading", "fusion")):
        if (
            (b.reading, a.reading) == ("described", "released")
            and b.fusion in (None, "eq1")
            and a.fusion in (None, "released")
        ):
            found.append(("reading", f"described against released, {rungs[b.modules]}", b.name, a.name))
    for b, a in pairs(("fusion",)):
        found.append(("fusion", f"{a.fusion} fusion against {b.fusion}, {rungs[a.modules]}", a.name, b.name))
    for b, a in pairs(("branch",)):
        names = {"haar": "the Haar wavelet", "conv": "strided convolution", "pool": "pooling"}
        found.append(("branch", f"{names[a.branch]} against {names[b.branch]}, {rungs[a.modules]}", a.name, b.name))
    for b, a in pairs(("weights", "learning_rate")):
        if a.weights != b.weights and a.learning_rate == b.learning_rate:
            found.append(("training", "random against the profile's initialisation", a.name, b.name))
        elif a.weights == b.weights:
            rates = [
                "the profile's rate" if arm.learning_rate is None else f"rate {arm.learning_rate:g}" for arm in (a, b)
            ]
            found.append(("training", f"{rates[0]} against {rates[1]}", a.name, b.name))
    for arm in parsed.values():
        probe = f"{arm.backbone}-probe"
        if arm.modules == "base" and (arm.weights, arm.learning_rate) == (None, None) and probe in parsed:
            found.append(("probe", "trained classifier against linear probe", arm.name, probe))
    said = [what for _, what, _, _ in found]
    return [(kind, f"{what} ({arm_label(a)})" if said.count(what) > 1 else what, a, b) for kind, what, a, b in found]
