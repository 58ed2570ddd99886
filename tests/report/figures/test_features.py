"""The confusion matrix's cells, projections of every image, and the plot to turn, in a browser too."""

import base64
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from plotly.offline import get_plotlyjs

from wagf_src.classes import CLASSES
from wagf_src.report import figures, pages
from wagf_src.report.tables.features import features_and_truth
from wagf_src.stats import projections


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("run"), ["densenet121-wagf-described"])[0]


def confusion(counts):
    cases = pd.MultiIndex.from_product([CLASSES, CLASSES], names=["true", "predicted"]).to_frame(index=False)
    return figures.confusion(cases.assign(images=np.ravel(counts))).axes


def test_confusion_shows_counts_and_shares():
    counts = np.zeros((7, 7))
    counts[4] = [0, 0, 0, 0, 3, 1, 0]
    cells = [np.reshape([t.get_text() for t in ax.texts], (7, 7)) for ax in confusion(counts)]
    assert cells[0][4, 4] == "3" and cells[0][4, 5] == "1" and cells[1][4, 4] == "75" and cells[1][4, 5] == "25"
    assert cells[1][0, 0] == "–" and cells[0][0, 0] == "0"  # no test image of the class: no share
    assert any(t.get_text() == "1.5" for t in confusion(counts / 2)[0].texts)  # means over seeds


def test_projections_show_every_image(run):
    features, y = features_and_truth(run)
    left, right = figures.feature_embedding(run).axes
    points, shares = projections.principal(features)
    shown = np.concatenate([marks.get_offsets() for marks in left.collections])
    assert len(shown) == len(y) == sum(len(marks.get_offsets()) for marks in right.collections)
    np.testing.assert_allclose(np.sort(shown[:, 0]), np.sort(points[:, 0]))
    assert left.get_xlabel() == f"component 1 ({100 * shares[0]:.0f}%)"
    assert [ax.get_title() for ax in figures.feature_batches(run).axes] == list(projections.ways(features, y))


def test_plot_to_turn_holds_every_image_and_loads_only_the_books_script(run):
    page = figures.turning_scatter(run, "Classes < overlap.", "SYNTHETIC; <64 px>").data
    assert re.findall(r'src="([^"]*)"', page) == ["../_static/plotly.min.js"] and len(page) < 100_000
    assert not re.search(r"https?://", page)
    assert "SYNTHETIC; &lt;64 px&gt;" in page and page.count("Classes &lt; overlap.") == 2 and "SYNTHETIC DATA" in page
    features, y = features_and_truth(run)
    data = json.loads(re.search(r"\[\{.*?\}\](?=,\s*\{)", page, re.S)[0])
    assert [trace["name"].split()[0] for trace in data] == [c for k, c in enumerate(CLASSES) if (y == k).any()]
    x = np.concatenate([np.frombuffer(base64.b64decode(trace["x"]["bdata"]), trace["x"]["dtype"]) for trace in data])
    np.testing.assert_allclose(np.sort(x), np.sort(projections.principal(features)[0][:, 0]), rtol=1e-5, atol=1e-5)
    assert sorted(text.split(":")[0] for trace in data for text in trace["text"]) == sorted(
        run.predictions()["image_id"]
    )


def test_book_carries_the_script_once(tmp_path):
    class App:
        outdir, srcdir, builder = tmp_path, tmp_path, type("Builder", (), {"format": "html"})

        def connect(event, function, priority=500):
            if event == "build-finished":
                function(App, None)

    (tmp_path / "_static").mkdir()
    pages.setup(App)
    assert (tmp_path / "_static" / "plotly.min.js").read_text(encoding="utf-8") == get_plotlyjs()


needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
PROBE = """<script>addEventListener("load", async () => {
  const wait = () => new Promise(done => setTimeout(done, 1500)), found = {};
  await wait();
  for (const button of document.querySelectorAll(".turning .buttons button")) {
    button.focus();
    button.click();
    await wait();
    const {x, y, z} = document.getElementById("turn-features").layout.scene.camera.eye;
    const touched = button.closest("figure").matches(".by-touch") && button.getAttribute("aria-pressed") === "true";
    found[button.textContent] = [document.activeElement === button, Math.atan2(y, x), z, touched];
  }
  document.documentElement.dataset.found = JSON.stringify([!!document.querySelector(".missing"), found]);
});</script>"""


def opened(run, folder) -> str:
    """The page with the plot as a browser leaves it."""
    page = folder / "chapters" / "page.html"
    page.parent.mkdir()
    page.write_text(f"<!doctype html><body>{PROBE}{figures.turning_scatter(run, 'A finding.', 'SYNTHETIC').data}")
    quiet = "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-sync"
    options = [*quiet.split(), "--enable-unsafe-swiftshader", "--allow-file-access-from-files"]
    command = ["chromium", *options, f"--user-data-dir={folder}/user", "--virtual-time-budget=30000", "--dump-dom"]
    return subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=120).stdout


@needs_chromium
def test_buttons_turn_the_plot_and_keys_reach_them(run, tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    missing, found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', opened(run, tmp_path))[1]))
    assert not missing and list(found) == ["turn left", "turn right", "turn up", "turn down", "reset", "turn by touch"]
    assert all(focused for focused, *_ in found.values())
    assert [name for name, value in found.items() if value[3]] == ["turn by touch"]
    turn, height = ({name: value[k] for name, value in found.items()} for k in (1, 2))
    assert turn["turn left"] == pytest.approx(turn["reset"] - 0.2)
    assert turn["turn right"] == pytest.approx(turn["reset"])
    assert height["turn up"] > height["reset"] == pytest.approx(height["turn down"])


@needs_chromium
def test_without_the_script_a_line_says_so(run, tmp_path):
    assert "in the built book only" in opened(run, tmp_path)
