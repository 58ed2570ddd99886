"""What is committed: runs, tables, chapters and the README's results."""

import shutil
from pathlib import Path

import pandas as pd

from wagf_src import atomic, paths
from wagf_src.arms import BACKBONES, PAPER_BACKBONE, parse_arm
from wagf_src.errors import UserError
from wagf_src.paper.conditions import ORDER, STATED
from wagf_src.paths import short
from wagf_src.profile import load_profile
from wagf_src.report import staleness
from wagf_src.report.prose import table1 as prose
from wagf_src.report.prose.conditions import caveats, listing
from wagf_src.report.prose.scorecard import tally
from wagf_src.report.staleness import USED
from wagf_src.report.tables import TABLES
from wagf_src.report.text import markdown_table
from wagf_src.runs import WEIGHTS, Run, listed, load_runs, own_runs, put_in_place, real_profiles, tidy


def publish(profile: str) -> None:
    """Copy a profile's chapters into book/chapters and its runs and tables into results/reference: what is committed.

    Raises:
        UserError: if the chapters are out of date or lack something, or rest on data that are not real or on runs that
            are not committed; nothing is changed then.
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
    made = staleness.rendering(profile)["files"]
    needed = [name for name in ("tables/table1.csv", "tables/claims.csv", "figures/table1.png") if name not in made]
    if needed:
        raise UserError(
            f"results/{profile}/{needed[0]} is missing; render it with `make report PROFILE={profile} DATA=folder`"
        )
    readme = _readme(profile)
    lost = _lost(reference / "tables", source / "tables")
    if lost:
        raise UserError(
            f"results/{profile} lacks what results/reference/{profile} has ({', '.join(lost)}), as it does where it "
            f"was rendered without the images; render it again with `make report PROFILE={profile} DATA=folder`"
        )
    # Everything is known to be there; copies are whole before anything that is committed goes.
    targets = {part: reference / part for part in ("tables", "figures")} | {"chapters": paths.BOOK / "chapters"}
    # Every figure stands in its chapter already; once more, the README's alone.
    names = [name for name in made if not name.startswith("figures/") or name == "figures/table1.png"]
    asides = {part: target.with_name(f".{part}.new") for part, target in targets.items()}
    try:
        for aside in asides.values():
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
        for name in names:
            shutil.copy2(source / name, asides[Path(name).parent.name])
        keep_runs(profile, features=True)
        for earlier in paths.REFERENCE_DIR.glob("*/tables"):  # of the book that this one replaces
            if earlier != targets["tables"]:
                _remove(earlier, "*.csv")
        for part, target in targets.items():
            atomic.move_into_place(asides[part], target, lambda folder, part=part: _ours(folder, part))
    finally:
        for aside in asides.values():
            shutil.rmtree(aside, ignore_errors=True)
    atomic.write_text(paths.README, readme)
    print(
        f"published: book/chapters, results/reference/{profile} and the README now show results/{profile}; look, "
        f"and commit"
    )


def _ours(folder: Path, part: str) -> set[str]:
    return {file.name for file in folder.glob(staleness.WRITTEN[part])}


def _remove(folder: Path, files: str) -> None:
    """These files, and the folder if nothing else is in it."""
    for file in folder.glob(files):
        file.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _lost(committed: Path, made: Path) -> list[str]:
    """Names of the book's tables that have committed rows and were made without any, or not made."""

    def filled(folder, name):
        file = folder / f"{name}.csv"
        return file.is_file() and file.read_bytes().strip().count(b"\n") > 0

    return [name for name in TABLES if filled(committed, name) and not filled(made, name)]


def keep(profile: str) -> None:
    """:func:`keep_runs`, and a line that says which.

    Raises:
        UserError: there are none of the reader's own, or a file of a run is not what the run wrote.
    """
    if not (runs := keep_runs(profile)):
        raise UserError(
            f"results/{profile}/runs: no finished run of yours; make some with `make reproduce PROFILE={profile}`"
        )
    print(f"kept in results/reference/{profile}/runs: {listed(runs)}; look, and commit")


def keep_runs(profile: str, features: bool = False) -> list[Run]:
    """Copy a profile's own finished runs to results/reference, each in the place of the committed one of its name.

    Returns them, by seed and name; none is no error.

    Weights are never committed. Features are large and only a profile's own chapters draw them: they are left out but
    where the committed run has them, or with ``features`` kept for the first seed of the base model and of the full
    model as described.

    Raises:
        UserError: a file of a run is not what the run wrote; nothing is copied then.
    """
    seen, runs = set(), sorted(own_runs(profile), key=lambda r: r.seed)
    if not runs:
        return runs
    for run in runs:
        run.check()
    tidy(paths.REFERENCE_DIR / profile / "runs")
    for run in runs:
        arm = parse_arm(run.arm)
        drawn = features and run.arm not in seen and arm.modules in ("base", "wagf") and arm.reading != "released"
        seen.add(run.arm)
        target = paths.REFERENCE_DIR / profile / "runs" / run.path.name
        left_out = [*WEIGHTS, *([] if drawn or (target / "features.npz").is_file() else ["features.npz"])]
        aside = target.with_name(f".{target.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(run.path, aside, ignore=shutil.ignore_patterns(".*", *left_out))
        put_in_place(aside, target)
    for name in USED:  # what was made of these runs later: small, and no photograph
        made = paths.RESULTS_DIR / profile / name
        if made.is_dir():
            target, hidden = paths.REFERENCE_DIR / profile / name, shutil.ignore_patterns(".*")
            shutil.copytree(made, target, ignore=hidden, dirs_exist_ok=True)
    return runs


def _readme(profile: str) -> str:
    """The README with the table and figure that are to be published between its markers.

    Raises:
        UserError: a marker is missing.
    """
    tables = paths.RESULTS_DIR / profile / "tables"
    table1 = pd.read_csv(tables / "table1.csv")
    shown = prose.by_condition(table1)
    rows = markdown_table(shown.columns, shown.to_numpy())
    figure = f"results/reference/{profile}/figures/table1.png"
    about = (
        "Accuracy in percent of the rows of the paper's Table 1, as the paper describes them, with 95% intervals: one "
        "column a profile, on the backbone that the list below names, or on the row's own where it names none. ≈: ours "
        "and the printed value differ by less than both margins together; ↓, ↑: ours is lower or higher by more."
    )
    claims = pd.read_csv(tables / "claims.csv")
    stated = f"{BACKBONES[PAPER_BACKBONE].title}, {STATED['image_size']} px, {STATED['epochs']} epochs, end to end"
    own = "" if "paper" in set(table1["profile"]) else f"None of these conditions is the paper's own ({stated}). "
    verdict = f"{own}The verdict, in the book's scorecard: {tally(claims)}."
    contents = {
        "picture": f"![Test accuracy of the paper's rows in every condition, beside the printed values]({figure})",
        "results": "\n\n".join([about, rows, verdict, f"The profiles, {ORDER}:", listing(table1), caveats(table1)]),
    }
    readme = paths.README.read_text(encoding="utf-8")
    for name, text in contents.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if readme.count(begin) != 1 or readme.count(end) != 1 or readme.index(begin) > readme.index(end):
            raise UserError(f"{short(paths.README)}: must have {begin} and then {end}, each once; put them back")
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{text}\n{end}" + rest.split(end)[1]
    return readme
