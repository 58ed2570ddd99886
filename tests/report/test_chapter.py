"""What chapters are made of: tables read once, figures stamped and saved, one line where something is missing."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from PIL import Image

from wagf_src.errors import UserError
from wagf_src.report.chapter import Chapter, Picture
from wagf_src.report.figures.style import new, with_alt_text


def test_chapter_shows_what_there_is(results_dir):
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",))
    file = results_dir / "own" / "tables" / "grim.csv"
    file.parent.mkdir()
    pd.DataFrame({"a": [1.0]}).to_csv(file, index=False)
    chapter = Chapter("own")
    table = chapter.table("grim")
    file.unlink()
    assert chapter.table("grim") is table and table["a"].tolist() == [1.0]
    assert chapter.provenance.startswith("SYNTHETIC; 64 px; MobileNetV2")
    assert chapter.rests_on("One seed.").data == f"**This page rests on:** {chapter.provenance}. One seed."
    assert chapter.answer("yes.").data == "**Answer**: yes."
    assert chapter.text("a").data == "a" and "<td>1.0</td>" in chapter.show(table).data
    picture = chapter.figure("dots", with_alt_text(new()[0], "Dots rise by 2."))
    assert any(t.get_text().startswith("SYNTHETIC DATA") for t in picture.figure.texts)
    published = chapter.figure("x", new()[0], "published").figure
    assert not any("SYNTHETIC" in t.get_text() for t in published.texts)
    shown, about = picture._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG") and shown["text/plain"] == "Dots rise by 2."
    assert about == {"image/png": {"alt": "Dots rise by 2."}}
    assert {p.name for p in (results_dir / "own" / "figures").iterdir()} == {"dots.png", "x.png"}


def test_what_is_missing_is_said_in_one_line(results_dir):
    with pytest.raises(UserError, match="no finished run in results/none/runs"):
        Chapter("none").rests_on()
    with pytest.raises(UserError, match="no finished run in results/none/runs"):
        Chapter("none").table("table1")
    fabricate(results_dir / "own" / "runs", ("mobilenetv2-base",))
    with pytest.raises(UserError, match="no table table1 of profile own; make it with"):
        Chapter("own").table("table1")
    committed = results_dir / "reference" / "published" / "tables"
    committed.mkdir(parents=True)
    for name in ("data_card", "table1"):
        (committed / f"{name}.csv").write_text("class,images\nnv,6705\n")
    assert Chapter("own").table("data_card")["images"].item() == 6705, "what the data are hangs on no profile"
    with pytest.raises(UserError, match="no table table1 of profile own; make it with"):
        Chapter("own").table("table1")
    assert Chapter("own").figure("x", None).data == "Nothing to draw yet."
    assert Chapter("own").show(pd.DataFrame(), "No arm.").data == "No arm."


def test_a_plot_of_a_table_carries_its_provenance(results_dir):
    file = results_dir / "own" / "tables" / "dots.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame({"a": [1.0], "provenance": "SYNTHETIC; made up"}).to_csv(file, index=False)
    chapter, plots = Chapter("own"), []

    def plot(frame, more=None):
        plots.append((frame["a"].tolist(), more))
        return new()[0]

    assert any("made up" in t.get_text() for t in chapter.draw("dots", plot).figure.texts)
    assert (results_dir / "own" / "figures" / "dots.png").is_file()
    chapter.draw("shown", plot, chapter.table("dots"), "more", save=False)
    assert plots == [([1.0], None), ([1.0], "more")]
    assert not (results_dir / "own" / "figures" / "shown.png").exists()
    assert chapter.draw("dots", plot, chapter.table("dots")[:0], otherwise="none").data == "none" and len(plots) == 2


@pytest.mark.parametrize("gradient", [False, True])
def test_a_notebook_s_picture_is_small_and_looks_the_same(gradient):
    figure, axes = new()
    for height in range(5):
        axes.plot([0, 1, 2], [height, 2 - height, height], label=f"line {height}")
    if gradient:
        axes.imshow(np.random.default_rng(0).random((90, 90, 3)), extent=(0, 2, -2, 4), aspect="auto")
    plain = io.BytesIO()
    figure.savefig(plain, bbox_inches="tight", metadata={"Software": None})
    png = base64.b64decode(Picture(figure)._repr_mimebundle_()[0]["image/png"])
    was, shown = (np.asarray(Image.open(io.BytesIO(b)).convert("RGB")).astype(int) for b in (plain.getvalue(), png))
    assert np.abs(shown - was).max() <= (0 if gradient else 16)
    assert (shown[(was == 255).all(2)] == 255).all()
    assert gradient or len(png) < 0.6 * len(plain.getvalue())
