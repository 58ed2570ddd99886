"""What TensorFlow says of its start is not shown to a reader, and everything else is."""

import os
import subprocess
import sys

from wagf_src import paths
from wagf_src.start_message import is_start_message

SAID = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795650901.277883    4228 port.cc:153] oneDNN custom operations are on. You may see slightly ...\n"
)


def test_a_start_message_is_only_what_says_nothing_else():
    assert is_start_message(SAID) and is_start_message(SAID.splitlines()[1])
    assert not is_start_message(SAID + "E0000 00:00:1.5 4228 cuda_dnn.cc:1] no room\n")
    assert not is_start_message("Killed") and not is_start_message("")


def test_importing_keras_says_only_what_is_news(tmp_path):
    """A process in which the library starts, after a module that says something of its own."""
    (tmp_path / "keras.py").write_text("import os, tensorflow\nos.write(2, b'disk is nearly full\\n')\n")
    code = "from wagf_src.start_message import import_keras; import_keras(); import os; os.write(2, b'later\\n')"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}", "TF_ENABLE_ONEDNN_OPTS": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "disk is nearly full\nlater\n"
