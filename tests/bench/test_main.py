"""The command: every part writes its files in their columns, and what is wrong is one line."""

import pandas as pd
from bench.clockwork import Clockwork

from wagf_src import paths
from wagf_src.bench import parts
from wagf_src.bench.__main__ import main, run


def test_every_part_writes_its_files_in_the_committed_columns(clockwork, tmp_path, capsys):
    run([*parts.PARTS, "cost"], False, tmp_path)
    assert "left out: say which python has requirements/peers.txt" in capsys.readouterr().out
    for committed in sorted((paths.ROOT / "results" / "bench").glob("*.csv")):
        if committed.stem not in ("peers", "gpu", "tests", "torture"):  # other environments; tests write them
            written = pd.read_csv(tmp_path / committed.name)
            assert list(written.columns) == list(pd.read_csv(committed).columns), committed.name
            assert written["provenance"].str.startswith("SYNTHETIC; ").all() and len(written)
    assert set(pd.read_csv(tmp_path / "arms.csv")["pixels"]) == set(parts.SIDES)


def test_peers_take_turns_with_pytorch_and_begin_with_one_step(clockwork):
    rows = pd.DataFrame(parts.peers(quick=False, python="elsewhere"))
    assert set(rows["pixels"]) == {128, 160} and rows.groupby("pixels")["case"].nunique().tolist() == [8, 8]
    assert set(rows["reference"]) == {"", "mobilenetv2-base, PyTorch", "densenet121-base, PyTorch"}
    assert (rows["ratio"].isna() == (rows["reference"] == "")).all()
    first = {}
    for label, what, images in Clockwork.asked:
        first.setdefault((label, what), images)
    batches = dict(parts.PEERS)
    assert all(images == batches[label.split(", ")[0]] for (label, _), images in first.items())


def test_an_unknown_part_is_one_line(capsys):
    assert main(["everything"]) == 2
    assert "no part 'everything'; parts: data, arms" in capsys.readouterr().err
