"""Sentences and tables of the chapter on the data protocol, from its tables."""

import math

import pandas as pd

from wagf_src.classes import CLASSES
from wagf_src.paper import published, which30
from wagf_src.report.tables.protocol import AT_RANDOM, BY_NAME, GROUPED, IMAGES, NAMED, REPEATS, SEEDS, TEST
from wagf_src.report.text import percent

COMMUNITY_SEED = 101  # usual in the community's kernels
POOLS = {
    "images": "all images",
    "lesions": "lesions, one image of each",
    "single-image lesions": "lesions photographed once",
}
GENERATED = {"files, N": "augmented files", "validation": "validation files", "training": "training files"}


def wide(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts with one row a quantity and one column a class, then ``total``."""
    columns = [*CLASSES, "total"]
    return counts.pivot(index="quantity", columns="class", values="count").loc[counts["quantity"].unique(), columns]


def rests_on(counts: pd.DataFrame, siblings: pd.DataFrame) -> str:
    missing = (
        " The metadata are not at hand; tables are the committed ones, and what needs single images is left out. "
        "`make data` fetches HAM10000, `DATA=` names its folder."
    )
    return f"**This page rests on:** {counts['provenance'].iloc[0]}." + ("" if len(siblings) else missing)


def answer(counts: pd.DataFrame, leakage: pd.DataFrame, compared: pd.DataFrame) -> str:
    """The chapter's answer: the counts, the population tested, and leakage under the rule that the logs fit."""
    share, common = _shares(counts), wide(counts).loc["test images", list(CLASSES)].idxmax()
    if _synthetic(counts):
        counted = "synthetic metadata say nothing about the paper's counts; they only go through the same lines of code"
    elif (name := counts["provenance"].iloc[0].partition(":")[0]) != "HAM10000":
        counted = f"the metadata are not HAM10000's ({name}), so they say nothing about the paper's counts"
    else:
        printed, paper = counts.dropna(subset="released_notebooks"), counts.dropna(subset="paper")
        close = paper[paper["quantity"] == "augmented files"].iloc[0]
        exact = paper.drop(close.name)
        counted = (
            f"{(printed['count'] == printed['released_notebooks']).sum()} of the {len(printed)} counts that the "
            f"released notebooks print and {(exact['count'] == exact['paper']).sum()} of the paper's {len(exact)} "
            f"exact counts come out to the image; the paper's {close['paper']:,.0f} augmented files are "
            f"{close['count']:,}, rounded"
        )
    random = (
        f"{_share(leakage, AT_RANDOM, 'image')} of the validation files, drawn at random, show a photograph that "
        "trains too"
    )
    named = (
        f"{_share(leakage, BY_NAME, 'image')} of the validation files, taken by name, show a photograph that trains "
        f"too, {_share(leakage, BY_NAME)} a lesion"
    )
    verdict = which30.verdict(compared)
    known = "is not tested yet" if verdict == which30.NOT_RUN else "is open"
    leaks = f"{random}; {named}. Which it was, {known}"
    if verdict in which30.RULES:
        leaks = f"{named if verdict == which30.NAMES else random}: the rule that the stored logs fit"
    return (
        f"{counted}. {share.loc[common, 'test images']:.1f}% of the test images are {common}, against "
        f"{share.loc[common, 'images']:.1f}% of the data set. {_share(leakage, TEST)} of the test images have a "
        f"near-duplicate in training, but {leaks}."
    )


def counts_shown(counts: pd.DataFrame) -> pd.DataFrame:
    """Every count, and the totals that the paper and the released notebooks state."""
    totals = counts[counts["class"] == "total"].set_index("quantity")
    stated = totals[["paper", "released_notebooks"]].rename(columns={"released_notebooks": "released notebooks"})
    return wide(counts).join(stated).map("{:,.0f}".format, na_action="ignore").reset_index()


def pools(counts: pd.DataFrame) -> pd.DataFrame:
    """A fifth of each pool, beside the test images drawn here and those that the released notebooks print."""
    lines, all_counts = [], wide(counts)
    for quantity, text in POOLS.items():
        pool = all_counts.loc[quantity]
        line = {"a fifth of": text, "of": f"{pool['total']:,}", "test images": f"{math.ceil(0.2 * pool['total']):,}"}
        lines.append(line | {c: f"{0.2 * pool[c]:.1f}" for c in CLASSES})
    printed = counts[counts["quantity"] == "test images"].set_index("class")["released_notebooks"]
    for text, row in (("drawn here", all_counts.loc["test images"]), ("released notebooks", printed)):
        line = {"a fifth of": text, "of": "", "test images": f"{row['total']:,.0f}"}
        lines.append(line | {c: f"{row[c]:,.0f}" for c in CLASSES})
    return pd.DataFrame(lines).rename(columns={"test images": "test images, rounded up"})


def test_rule(counts: pd.DataFrame, siblings: pd.DataFrame) -> str:
    """Which pool the test images are a fifth of, and what can therefore never be tested on."""
    all_counts = wide(counts)
    single, images = all_counts.loc["single-image lesions"], all_counts.loc["images", "total"]
    fits = all(abs(0.2 * single[c] - n) < 1 for c, n in published.TEST_SUPPORTS.items())
    several, lesions = images - single["total"], all_counts.loc["lesions", "total"] - single["total"]
    most = f", {_of_class(siblings, 'most_photographs'):.0f} at most" if len(siblings) else ""
    verdict = (
        f"Only the {single['total']:,} lesions that were photographed once give {published.N_TEST:,} images, and class "
        "by class the printed supports"
        if fits and not _synthetic(counts)
        else f"The same rule applied here draws {all_counts.loc['test images', 'total']:,} of {single['total']:,} "
        "lesions photographed once"
    )
    return (
        f"{verdict}. So no lesion (by its published id) is in the test set twice or on both sides; but the {several:,} "
        f"images ({100 * several / images:.0f}%) of {lesions:,} lesions that were photographed several times "
        f"({several / lesions:.1f} photographs each on average{most}) can only be trained on, never tested on."
    )


def seed(seeds: pd.DataFrame) -> str:
    """Which seeds of the draw put the named image into the test set."""
    if not len(seeds):
        return f"{NAMED} is not among the metadata at hand, so the seeds cannot be tried here."
    own, holding = seeds[seeds["used"]].iloc[0], _holding(seeds)["seed"].tolist()
    used = own["seed"]
    place = "the first of them" if used == holding[0] else "one of them" if own["holds_named"] else "**none of them**"
    return (
        f"{NAMED} is in the test set of {len(holding)} of the seeds 0 to {SEEDS - 1} (expected: a fifth), first of "
        f"{', '.join(map(str, holding[:5]))}. This study uses seed {used}, {place}. Seed {COMMUNITY_SEED}, usual in "
        f"the community's kernels, {'does' if COMMUNITY_SEED in holding else 'does not'}. The {own['n_test']:,} ids of "
        f"seed {used} have the SHA-256 {own['id_digest']}…; `results/reference/protocol/` lists those of seed 12."
    )


def generator_shown(generator: pd.DataFrame) -> pd.DataFrame:
    """The generator's arithmetic class by class, with totals of images and files."""
    shown = generator.drop(columns=["target", "batch", "provenance"])
    total = shown.drop(columns=[c for c in shown if c == "class" or "batches" in c or "passes" in c]).sum()
    shown.loc[len(shown)] = {"class": "total", **total}
    return shown.map(lambda v: v if isinstance(v, str) else f"{v:,.0f}", na_action="ignore")


def generator_example(generator: pd.DataFrame, counts: pd.DataFrame) -> str:
    """The rarest class worked through, and whether the arithmetic agrees with what draws the copies."""
    rarest = generator.loc[generator["images left, n"].idxmin()]
    name, target, batch, n, batches, p, passes, over, files, *_ = rarest
    full = (generator["images left, n"] + batch * generator["batches, b"]).sum()
    totals = wide(counts)["total"]
    agree = all(generator[c].sum() == totals[q] for c, q in GENERATED.items())
    return (
        f"For {name}: ({target:,} − {n:,})/{batch} makes {batches:,} batches; a pass over {n:,} photographs is {p:,} "
        f"batches, the last one of {n - (p - 1) * batch}; {batches:,} = {passes} · {p} + {over}; so {n:,} + {passes} · "
        f"{n:,} + {over} · {batch} = **{files:,}** files. Had all batches been full, there would be {full:,} files in "
        f"all. {'The table agrees with' if agree else '**The table differs from**'} `wagf_src.data.protocol`, which "
        "draws the copies."
    )


def augmentation(counts: pd.DataFrame) -> str:
    """How far augmentation evens the classes out, and how often it copies a photograph."""
    by_class = wide(counts)[list(CLASSES)]
    images, files = by_class.loc["images left"], by_class.loc["augmented files"]
    copies = files / images
    rare, common = copies.idxmax(), copies.idxmin()
    return (
        f"Augmentation evens the classes out, from {images.max() / images.min():.0f} to 1 down to "
        f"{files.max() / files.min():.1f} to 1; every photograph of {rare} then stands for {copies[rare]:.0f} files, "
        f"every one of {common} for {copies[common]:.1f}."
    )


def populations(counts: pd.DataFrame) -> str:
    """What always answering the commonest class of the test images is worth, and what recall rests on."""
    share, test = _shares(counts), wide(counts).loc["test images"]
    c = share["test images"].idxmax()
    return (
        f"{share.loc[c, 'training files']:.1f}% of the training files are {c}. Always answering {c} is "
        f"{share.loc[c, 'test images']:.1f}% accurate on this test set, and {share.loc[c, 'images']:.1f}% on the data "
        f"set as a whole. Melanoma recall rests on {test['mel']} images, that of dermatofibroma on {test['df']}."
    )


def leakage_shown(leakage: pd.DataFrame) -> pd.DataFrame:
    """Percent of held-out files with a sibling in training, one row a way of splitting and kind of sibling."""
    cases = ["protocol", "grouping"]
    shares = leakage.pivot(index=cases, columns="class", values="share")[[*CLASSES, "total"]]
    shares = 100 * shares.loc[leakage[cases].drop_duplicates().apply(tuple, axis=1)]
    shown = shares.map("{:.1f}".format, na_action="ignore").reset_index()
    return shown.replace({"grouping": {"image": "photograph"}}).rename(columns={"grouping": "siblings by"})


def leakage(leakage: pd.DataFrame, siblings: pd.DataFrame) -> str:
    """What validation and other splits leak."""
    by_name = image_level = ""
    if len(siblings):
        rows = siblings.set_index("class")
        without = [c for c in CLASSES if rows["photographs_trained"].get(c, 1) == 0]
        if without:
            by_name = (
                f" By file name, {len(without)} classes ({', '.join(without)}) would be trained on copies alone and "
                "validated on every photograph they have."
            )
        expected, low, high = (100 * rows[column] for column in ("expected", "lowest", "highest"))
        image_level = (
            f" Expected over all draws: {expected['total']:.1f}% ({expected['mel']:.1f}% of the melanomas); the "
            f"{REPEATS} drawn here had {low['total']:.1f} to {high['total']:.1f}% ({low['mel']:.1f} to "
            f"{high['mel']:.1f}%)."
        )
    grouped = _share(leakage, GROUPED)
    note = "" if grouped == "0.0%" else ", all of them near-duplicates with different lesion ids"
    start = "By the same rules, on synthetic metadata: the" if _synthetic(leakage) else "The"
    return (
        f"{start} test images are clean ({_share(leakage, TEST)} have a near-duplicate in training), the validation "
        f"files are not. Drawn at random, {_share(leakage, AT_RANDOM, 'image')} of them show a photograph that "
        f"training files show too; taken by file name, {_share(leakage, BY_NAME, 'image')}, and "
        f"{_share(leakage, BY_NAME)} show a lesion that training shows too.{by_name} Either way, validation accuracy "
        "is no estimate of accuracy on new lesions, yet it chose the checkpoint in the released notebooks. The "
        "notebook of the proposed model validates on the training folder itself: 100%. Image-level splits, common on "
        f"these data, leak {_share(leakage, IMAGES)} ({_share(leakage, IMAGES, c='mel')} of the melanomas) "
        f"here.{image_level} Grouped by lesion, {grouped} leak{note}."
    )


def near_duplicates(pairs: pd.DataFrame, seeds: pd.DataFrame) -> str:
    """How many pairs of near-duplicates the test draw divides, under this study's seed and the other possible ones."""
    if not len(pairs):
        return "The known pairs are images of HAM10000, which are not all at hand here; nothing is counted."
    own, divided = seeds[seeds["used"]].iloc[0], _holding(seeds)["pairs_divided"]
    return (
        f"Of the {len(pairs)} pairs, {own['pairs_divided']} have one image in the test set and the other outside it; "
        f"{own['pairs_inside']} {'has' if own['pairs_inside'] == 1 else 'have'} both images in the test set. Over the "
        f"{len(divided)} seeds that hold {NAMED}, {divided.min()} to {divided.max()} pairs are split so (mean "
        f"{divided.mean():.1f}): too few to move an accuracy on {own['n_test']:,} images by more than "
        f"{percent(divided.max() / own['n_test'])} points."
    )


def _synthetic(counts):
    return counts["provenance"].iloc[0].startswith("SYNTHETIC")


def _shares(counts):
    """Percent of each quantity by class: index class, one column a quantity."""
    frame = wide(counts)
    return 100 * frame[list(CLASSES)].div(frame["total"], axis=0).T


def _of_class(frame, column, c="total"):
    return frame.set_index("class").loc[c, column]


def _share(leakage, case, grouping="lesion", c="total"):
    rows = leakage[(leakage["protocol"] == case) & (leakage["grouping"] == grouping)]
    return f"{100 * _of_class(rows, 'share', c):.1f}%"


def _holding(seeds):
    return seeds[seeds["holds_named"] & (seeds["seed"] < SEEDS)]
