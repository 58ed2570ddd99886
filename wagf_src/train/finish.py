"""A trained run, checked and moved into its place. Needs no Keras."""

import shutil

from wagf_src import atomic, paths
from wagf_src.errors import UserError
from wagf_src.executed_notebook import cleaned
from wagf_src.paths import work_dir
from wagf_src.profile import Profile
from wagf_src.runs import Run, put_in_place


def finish_run(profile: Profile, run: str, notebook: bool = True) -> None:
    """Check a staged run and move it into place.

    Args:
        notebook: whether it was trained by the training notebook, whose executed copy then belongs to the run.

    Raises:
        UserError: the folder is not complete, or the notebook failed.
    """
    work = work_dir(profile.name) / run
    staging = work / "staging"
    info = Run(staging).info
    if notebook:
        atomic.write_text(staging / "train.ipynb", cleaned(work / "train.ipynb"))
        info["files"]["train.ipynb"] = atomic.file_digest(staging / "train.ipynb")
        atomic.write_json(staging / "run.json", info)
    staged = Run(staging)
    staged.check()
    if info["run"] != run or len(staged.predictions()) != info["data"]["n_test"]:
        raise UserError(
            f"{run}: the staged folder is not complete; delete results/{profile.name}/.work/{run} and run again"
        )
    put_in_place(staging, paths.RESULTS_DIR / profile.name / "runs" / run)
    shutil.rmtree(work, ignore_errors=True)
