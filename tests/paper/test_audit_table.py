"""The audit of anyone's table: this book's own rows come out as in its chapter; bad tables are one line."""

import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from wagf_src import paths
from wagf_src.__main__ import main
from wagf_src.errors import UserError
from wagf_src.paper import audit_table, audits, published

TABLE1 = "model,accuracy,precision,recall,f1\n" + "\n".join(
    f"{r.row},{r.accuracy:.2f},{r.precision:.2f},{r.recall:.2f},{r.f1:.2f}" for r in published.TABLE1
)


@pytest.fixture
def written(tmp_path):
    def write(text, name="table.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_the_papers_own_table_comes_out_as_in_the_chapter(written):
    lines, pairs = audit_table.audit(audit_table.read(written(TABLE1), 1103))
    lines = lines.set_index("row")
    chapter = audits.grim_table().set_index("row").loc[lines.index]
    assert lines["verdict"].equals(chapter["verdict"])
    assert list(lines.index[lines["violated"].astype(bool)]) == ["(i)", "(ii)", "(iii)"]
    own = audits.power_table().set_index("comparison")
    step = pairs.set_index("comparison").loc["(iii) - (ii)"]
    assert step.equals(own.loc["(ii) to (iii)", step.index].rename(step.name)) and len(pairs) == 15


def test_the_command_prints_and_writes_beside_and_never_over(written, capsys):
    file = written(TABLE1)
    assert main(["audit", str(file), "--n", "1103"]) == 0
    out = capsys.readouterr().out
    assert "3 not reachable, 2 reachable, 1 reachable only if truncated" in out and "3 of 6 exceed (P + R)/2" in out
    first = (file.parent / "table-audit.csv").read_text()
    assert pd.read_csv(file.parent / "table-audit.csv").loc[0, "verdict"] == "not reachable"
    assert main(["audit", str(file), "--n", "500"]) == 0
    names = {f.name for f in file.parent.iterdir()}
    assert {"table-audit-2.csv", "table-audit-pairs.csv", "table-audit-pairs-2.csv"} <= names
    assert (file.parent / "table-audit.csv").read_text() == first and file.read_text() == TABLE1


@pytest.mark.parametrize(
    "text",
    [
        "row;Acc (%);F1-score\nA;86.4%;\nB;–;80.05\n",
        "Method\tAccuracy\tF1 score\nA\t0.864\t-\nB\t\t0.8005\n",
        "\ufeffname,ACC,f1,n\nA,86.4,n/a,1103\nB,,80.05,1103\n",
    ],
)
def test_tables_as_people_have_them(written, text):
    rows = audit_table.read(written(text), 1103)
    assert [(r.row, r.accuracy, r.f1, r.n_test) for r in rows] == [("A", 86.4, None, 1103), ("B", None, 80.05, 1103)]
    assert rows[0].decimals[0] == 1 and rows[1].decimals[3] == 2


def test_a_number_is_judged_by_the_decimals_that_it_has(written):
    """85.9% of 1,103 images is 947 or 948 of them; 85.89% is no number of them."""
    rows = audit_table.read(written("row,accuracy,n\nA,85.9,1103\nB,85.89,1103\nC,50,8\n"))
    lines, pairs = audit_table.audit(rows)
    assert lines["verdict"].tolist() == ["reachable", "not reachable", "reachable"]
    # Only rows of equally many images are compared.
    assert pairs["comparison"].tolist() == ["A - B"] and pairs["told_apart"].tolist() == ["no"]


def test_a_fraction_with_one_decimal_is_rounded_to_tens_of_percent(written, capsys):
    """10, 9 and 7 of 11 print as 0.9, 0.8 and 0.6; of 7 images, 0.4 is 3 and 0.5 is none."""
    assert [f"{k / 11:.1f}" for k in (10, 9, 7)] == ["0.9", "0.8", "0.6"]
    lines, _ = audit_table.audit(audit_table.read(written("model,accuracy\na,0.9\nb,0.8\nc,0.6\n"), 11))
    assert lines["verdict"].tolist() == ["reachable"] * 3 and lines["k_rounded"].tolist() == [10, 9, 7]
    assert "0.5" not in {f"{k / 7:.1f}" for k in range(8)}
    assert main(["audit", str(written("model,accuracy\na,0.4\nb,0.5\n", "seven.csv")), "--n", "7"]) == 0
    said = capsys.readouterr().out
    assert "Accuracies: 1 reachable, 1 " in said and "With n = 7, 73% of all tens of percent can be had." in said


def test_a_reader_who_has_seen_enough_gets_no_traceback(written):
    command = f'"{sys.executable}" -m wagf_src audit "{written(TABLE1)}" --n 1103 | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=paths.ROOT, check=True)
    assert done.stdout.startswith("Accuracies: ") and done.stderr == ""


def test_f1_may_exceed_its_bound_by_what_rounding_adds(written):
    """80 and 81 may be 80.5 and 81.5, so that F1 is 81.0 at most, which prints as 81 or, rounded up, 81.5."""
    lines, _ = audit_table.audit(audit_table.read(written("precision,recall,f1\n80,81,81\n80,81,81.6\n80,81,82\n"), 9))
    assert lines["violated"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "n", "said"),
    [
        ("", 9, "not a CSV table"),
        ("row,accuracy\n", 9, "no row below"),
        ("row,dice\nA,3\n", 9, "no column is called accuracy"),
        ("row,accuracy\nA,good\n", 9, "row A, column accuracy: 'good' is not a number"),
        ('row,accuracy\nA,"85,9"\n', 9, "'85,9' is not a number"),
        ("row,accuracy\nA,85.9 ± 2\n", 9, "is not a number"),
        ("row,accuracy\nA,859\n", 9, "row A, column accuracy: 859 is no percentage"),
        ("row,accuracy\nA,-3\n", 9, "'-3' is not a number"),
        ("row,accuracy\nA,\n", 9, "there is no number in accuracy"),
        ("row,accuracy\nA,85.9\n", None, "number of test images is missing; give --n"),
        ("row,accuracy\nA,85.9\n", 0, "'0' is no number of test images"),
        ("row,accuracy,n\nA,85.9,many\n", 9, "'many' is no number of test images"),
        ("row,accuracy,acc\nA,85.9,3\n", 9, "accuracy stands in two columns"),
        ("row,accuracy\nA,85.9\nA,86\n", 9, "two rows are called 'A'"),
        ('row,accuracy\nA,85.9,3,4\n"B', 9, "not a CSV table"),
    ],
)
def test_bad_tables_are_one_line(written, text, n, said):
    with pytest.raises(UserError, match="^table.csv") as error:
        audit_table.read(written(text), n)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_no_file_and_no_room_are_one_line(tmp_path, capsys):
    assert main(["audit", str(tmp_path / "none.csv"), "--n", "9"]) == 2
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff\xe0")
    assert main(["audit", str(tmp_path / "image.csv"), "--n", "9"]) == 2
    assert main(["audit", str(tmp_path), "--n", "9"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)


def test_a_table_of_a_name_that_cannot_be_shown_is_audited(tmp_path):
    """On an output that refuses what it cannot encode: a latin-1 name, a character that ASCII lacks."""
    file = tmp_path / os.fsdecode(b"l\xe4 \xc3\xa4.csv")
    file.write_text("row,accuracy,n\nA,85.9,1103\n")
    command = [sys.executable, "-m", "wagf_src", "audit", os.fsencode(file)]
    done = subprocess.run(
        command, capture_output=True, cwd=paths.ROOT, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    )
    assert done.returncode == 0 and b"written: " in done.stdout and not done.stderr, done.stderr
    assert file.with_name(f"{file.stem}-audit.csv").is_file()


def test_a_table_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("row,accuracy,n\nA,85.9,1103\n")
    assert main(["audit", "~/a.csv"]) == 0 and (tmp_path / "a-audit.csv").is_file()


@pytest.mark.parametrize(("p", "q"), [(0.9075, 0.8948), (0.9, 0.85), (0.8, 0.6)])
def test_images_needed_against_normal_approximations(p, q):
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    unpaired = z**2 * (p * (1 - p) + q * (1 - q)) / (p - q) ** 2
    assert audits.images_needed(p, q, audits.UNPAIRED) == pytest.approx(unpaired, rel=0.08)
    share = audits.discordance(p, q, 0.5)  # Connor (Biometrics 43:207, 1987)
    a, b = stats.norm.ppf(0.975) * math.sqrt(share), stats.norm.ppf(0.8) * math.sqrt(share - (p - q) ** 2)
    assert audits.images_needed(p, q, 0.5) == pytest.approx(((a + b) / (p - q)) ** 2, rel=0.2)
    # In the best case six images, all one way, are enough for 5%.
    n = audits.images_needed(p, q, None)
    assert stats.binom.sf(5, int(n), p - q) == pytest.approx(0.8, abs=0.12)
    assert np.isnan(audits.images_needed(p, p, 0.5))


def test_p_values_of_a_pair():
    line = audits.power_table((("a", 80.0, 90.0, 100), ("b", 80.0, 85.0, 100), ("c", 80.0, 81.0, 100))).set_index(
        "comparison"
    )
    assert line["told_apart"].tolist() == ["yes", "no", "no"]
    chi2 = stats.chi2_contingency([[90, 10], [80, 20]], correction=False).pvalue
    assert line.loc["a", "p_unpaired"] == pytest.approx(chi2)
    assert line.loc["a", "p_best"] == pytest.approx(stats.binomtest(10, 10).pvalue)
    assert line.loc["c", "p_best"] == 1
