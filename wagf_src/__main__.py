"""The one command line: ``python -m wagf_src STEP ...``. What fails is one line and exit code 2."""

import argparse
import os
import sys

from wagf_src.errors import UserError


def main(words=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="step", required=True)
    for name in ("prepare", "tables", "chapters", "book", "keep", "publish", "summary"):
        commands.add_parser(name).add_argument("profile")
    step = commands.add_parser("run", help="train one run through papermill and put it in place")
    step.add_argument("profile")
    step.add_argument("run")
    step = commands.add_parser("sweep", help="train the missing runs of a profile in this process")
    step.add_argument("profile")
    step.add_argument("runs", nargs="*", metavar="RUN", help="<arm>-seed<k>; default: every run of the profile")
    step.add_argument("--seconds", type=float, help="time budget for all runs together")
    for name in ("download", "check"):
        commands.add_parser(name, help=f"{name} HAM10000").add_argument("folder", nargs="?")
    step = commands.add_parser("audit", help="what a table of printed accuracies, precisions, recalls and F1 allows")
    step.add_argument("table", metavar="TABLE.csv", help="columns accuracy, precision, recall, f1; a row a model")
    step.add_argument("--n", type=int, help="test images, unless the table has a column n")
    arguments = parser.parse_args(words)
    try:
        if arguments.step in ("download", "check"):
            from wagf_src.data import download

            return download.main(arguments.step, arguments.folder)
        if arguments.step == "audit":
            from wagf_src.paper import audit_table

            return audit_table.main(arguments.table, arguments.n)
        from wagf_src import steps  # imports what draws and computes, which a download needs not

        return steps.take(arguments.step, arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
