"""The one command line: ``python -m wagf_src STEP ...``. What fails is one line and exit code 2."""

import argparse
import os
import sys

from wagf_src.errors import UserError


def use(step: str, **arguments) -> int | None:
    """Steps that ask a trained model, for no profile in particular."""
    from wagf_src import steps

    steps.check_backend()
    if step == "predict":
        from wagf_src.use import predict

        return predict.main(**arguments)
    from wagf_src.use import kept, ship

    ship.ship(kept.find_run(arguments["run"]))


def main(words=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="step", required=True)
    for name in ("prepare", "tables", "chapters", "book", "keep", "publish", "summary", "gradcam"):
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
    step = commands.add_parser("predict", help="what a model says of photographs")
    step.add_argument("images", nargs="+", metavar="IMAGE", help="files or folders, in any format that Pillow reads")
    step.add_argument("--run", help="<profile>/<run> or a run's folder; default: the shipped model")
    step.add_argument("--out", metavar="CSV", help="a new file with one row an image")
    step.add_argument("--maps", metavar="FOLDER", help="a new folder with the attention maps over the photographs")
    step = commands.add_parser("external", help="test a profile's models on a labelled test set of elsewhere")
    step.add_argument("profile")
    step.add_argument("folder")
    commands.add_parser("ship", help="make a run the shipped model").add_argument("run")
    arguments = parser.parse_args(words)
    try:
        if arguments.step in ("download", "check"):
            from wagf_src.data import download

            return download.main(arguments.step, arguments.folder)
        if arguments.step in ("predict", "ship"):
            return use(**vars(arguments)) or 0
        from wagf_src import steps  # imports what draws and computes, which a download needs not

        return steps.take(arguments.step, arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
