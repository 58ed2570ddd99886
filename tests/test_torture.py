"""Five kills of a whole `make reproduce`; `make torture` does as many as there is time for (torture.py)."""

import subprocess
import sys

import pytest
from torture import ROOT, RUN, STAGES, Torture, epochs_saved, result, trained

pytestmark = pytest.mark.timeout(1200)
# One in each process that make starts, and the two between which a finished run could be lost.
KILLS = ("images decoded", "first epoch saved", "run staged", "chapter executed", "book begun")


@pytest.fixture(scope="module")
def torture(tmp_path_factory):
    # The environment is the one that runs the tests.
    subprocess.run([sys.executable, ROOT / "requirements" / "install.py", "dev", sys.prefix, "--record"], check=True)
    return Torture(tmp_path_factory.mktemp("torture") / "copy")


def test_five_kills_change_nothing(torture):
    torture.stages(KILLS)
    assert not torture.wrong, torture.rows
    rows = torture.rows[: len(KILLS)]
    assert [row["moment"] for row in rows] == list(KILLS) and all(row["killed"] for row in rows)
    assert rows[2]["resumed_after"] >= 1, "the third life goes on from the first epoch"
    assert not rows[3]["epochs_trained"], "the run was staged: nothing is left to train"


def test_the_comparison_sees_everything_that_a_reader_gets(torture):
    names = torture.undisturbed
    assert {"predictions.csv.gz", "validation_predictions.csv.gz", "history.csv", "features.npz"} <= set(names)
    assert {"tables/table1.csv", "tables/per_class.csv"} <= set(names)


def test_what_a_life_says_is_read_right(tmp_path):
    said = f"resumed after epoch 1\n  {RUN}: epoch 2/3  loss 1\n  {RUN}: epoch 3/3  loss 1\n"
    assert trained(said) == (1, [2, 3]) and trained("nothing") == (0, [])
    assert epochs_saved(tmp_path) == 0 and len(STAGES) == 12
    with pytest.raises(OSError):
        result(tmp_path)
