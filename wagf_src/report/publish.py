"""What is committed: runs, tables, chapters and the README's results."""

import shutil
from pathlib import Path

import pandas as pd

from wagf_src import atomic, paths
from wagf_src.arms import BACKBONES, PAPER_BACKBONE, parse_arm
from wagf_src.errors import UserError
from wagf_src.paper.conditions import ORDER, STATED
from wagf_src.profile import load_profile
from wagf_src.report import staleness
from wagf_src.report.figures.text import markdown_table
from wagf_src.report.prose import table1 as prose
from wagf_src.report.prose.conditions import caveats, listing
from wagf_src.report.prose.scorecard import tally
from wagf_src.report.staleness import USED
from wagf_src.report.tables import TABLES
from wagf_src.runs import WEIGHTS, load_runs, real_profiles


def publish(profile: str) -> None:
    """Copy a profile's chapters into book/chapters and its runs and tables into results/reference: what is committed.

    Raises:
        UserError: if the chapters are out of date, or rest on data that are not real or on runs that are not committed.
    """
    source = paths.RESULTS_DIR / profile
    if staleness.stale_chapters(profile) or not load_runs(profile, required=False):
        raise UserError(
            f"results/{profile} is not up to date; run `make reproduce PROFILE={profile}` (or, to render the committed "
            f"runs again, `make report PROFILE={profile}`) first"
        )
    if load_profile(profile).synthetic:
        raise UserError(f"profile {profile} is synthetic; the published book rests on real data only")
    for name, runs in real_profiles().items():
        committed = staleness.run_digests(
            file.parent for file in (paths.REFERENCE_DIR / name / "runs").glob("*/run.json")
        )
        if name != profile and not staleness.run_digests(run.path for run in runs).items() <= committed.items():
            raise UserError(
                f"the chapters also show results/{name}, which is not what results/reference/{name} holds; run "
                f"`make keep PROFILE={name}`, or move results/{name} away and render again"
            )
    reference = paths.REFERENCE_DIR / profile
    lost = _lost(reference / "tables", source / "tables")
    if lost:
        raise UserError(
            f"results/{profile} lacks what results/reference/{profile} has ({', '.join(lost)}), as it does where it "
            f"was rendered without the images; render it again with `make report PROFILE={profile} DATA=folder`"
        )
    for earlier in paths.REFERENCE_DIR.glob("*/tables"):  # of the book that this one replaces
        shutil.rmtree(earlier)
    for folder, target in ((source / "tables", reference / "tables"), (source / "chapters", paths.BOOK / "chapters")):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".*", "inputs_digest"))
    # Every figure stands in its chapter already; once more, the README's alone.
    shutil.rmtree(reference / "figures", ignore_errors=True)
    (reference / "figures").mkdir()
    shutil.copy2(source / "figures" / "table1.png", reference / "figures")
    keep_runs(profile, features=True)
    _fill_readme(profile)
    print(
        f"published: book/chapters, results/reference/{profile} and the README now show results/{profile}; look, "
        f"and commit"
    )


def _lost(committed: Path, made: Path) -> list[str]:
    """Names of the book's tables that have committed rows and were made without any, or not made."""

    def filled(folder, name):
        file = folder / f"{name}.csv"
        return file.is_file() and file.read_bytes().strip().count(b"\n") > 0

    return [name for name in TABLES if filled(committed, name) and not filled(made, name)]


def keep_runs(profile: str, features: bool = False) -> None:
    """Copy a profile's own finished runs to results/reference, each in the place of the committed one of its name.

    Weights are never committed. Features are large and only a profile's own chapters draw them: they are left out, or
    with ``features`` kept for the first seed of the base model and of the full model as described.

    Raises:
        UserError: a file of a run is not what the run wrote.
    """
    seen = set()
    for run in sorted(load_runs(profile, required=False), key=lambda r: r.seed):
        if run.path.is_relative_to(paths.REFERENCE_DIR):
            return  # there are no own ones
        run.check()
        arm = parse_arm(run.arm)
        drawn = features and run.arm not in seen and arm.modules in ("base", "wagf") and arm.reading != "released"
        seen.add(run.arm)
        left_out = [*WEIGHTS, *([] if drawn else ["features.npz"])]
        target = paths.REFERENCE_DIR / profile / "runs" / run.path.name
        aside = target.with_name(f".{target.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(run.path, aside, ignore=shutil.ignore_patterns(".*", *left_out))
        atomic.move_into_place(aside, target)
    for name in USED:  # what was made of these runs later: small, and no photograph
        made = paths.RESULTS_DIR / profile / name
        if made.is_dir():
            ignored = shutil.ignore_patterns(".*")
            shutil.copytree(made, paths.REFERENCE_DIR / profile / name, ignore=ignored, dirs_exist_ok=True)


def _fill_readme(profile: str) -> None:
    """Put the published table and figure between the README's two markers."""
    table1 = pd.read_csv(paths.REFERENCE_DIR / profile / "tables" / "table1.csv")
    shown = prose.by_condition(table1)
    rows = markdown_table(shown.columns, shown.to_numpy())
    figure = f"results/reference/{profile}/figures/table1.png"
    about = (
        "Accuracy in percent of the rows of the paper's Table 1, as the paper describes them, with 95% intervals: one "
        "column a profile, on the backbone that the list below names, or on the row's own where it names none. ≈: ours "
        "and the printed value differ by less than both margins together; ↓, ↑: ours is lower or higher by more."
    )
    claims = pd.read_csv(paths.REFERENCE_DIR / profile / "tables" / "claims.csv")
    stated = f"{BACKBONES[PAPER_BACKBONE].title}, {STATED['image_size']} px, {STATED['epochs']} epochs, end to end"
    own = "" if "paper" in set(table1["profile"]) else f"None of these conditions is the paper's own ({stated}). "
    verdict = f"{own}The verdict, in the book's scorecard: {tally(claims)}."
    contents = {
        "picture": f"![Test accuracy of the paper's rows in every condition, beside the printed values]({figure})",
        "results": "\n\n".join([about, rows, verdict, f"The profiles, {ORDER}:", listing(table1), caveats(table1)]),
    }
    readme = paths.README.read_text(encoding="utf-8")
    for name, text in contents.items():
        before, rest = readme.split(f"<!-- {name}:begin -->")
        readme = f"{before}<!-- {name}:begin -->\n{text}\n<!-- {name}:end -->" + rest.split(f"<!-- {name}:end -->")[1]
    atomic.write_text(paths.README, readme)
