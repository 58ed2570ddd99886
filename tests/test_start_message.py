"""What TensorFlow says of its start is not shown to a reader, and everything else is."""

import os
import signal
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


def said_on_import(tmp_path, ending, code=0):
    """By a process in which the library starts, in a module that says something of its own and then ends."""
    (tmp_path / "keras.py").write_text(f"import os, tensorflow\nos.write(2, b'disk is nearly full\\n')\n{ending}\n")
    source = "from wagf_src.start_message import import_keras; import_keras(); import os; os.write(2, b'later\\n')"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}", "TF_ENABLE_ONEDNN_OPTS": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    return done.stderr


def test_importing_keras_says_only_what_is_news(tmp_path):
    assert said_on_import(tmp_path, "") == "disk is nearly full\nlater\n"


def test_last_words_are_heard(tmp_path):
    """Of an import that fails, and of one that ends the process, as TensorFlow's on a processor that it cannot use."""
    failed = said_on_import(tmp_path, "raise ImportError('no such kernel')", code=1)
    assert failed.startswith("disk is nearly full\nTraceback") and failed.endswith("ImportError: no such kernel\n")
    assert said_on_import(tmp_path, "os.abort()", code=-signal.SIGABRT) == "disk is nearly full\n"
