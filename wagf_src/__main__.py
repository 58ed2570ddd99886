"""The one command line: ``python -m wagf_src STEP ...``. What fails is one line and exit code 2."""

import argparse
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable

from wagf_src.errors import UserError, printable
from wagf_src.paths import short

# No room, no permission, no device; something else in the way: nothing that a traceback would explain.
STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)


def use(step: str, **arguments) -> int | None:
    """Steps that ask a trained model, for no profile in particular."""
    from wagf_src import steps
    from wagf_src.start_message import import_keras

    steps.check_backend()
    import_keras()
    if step == "predict":
        from wagf_src.use import predict

        return predict.main(**arguments)
    from wagf_src.use import kept, ship

    ship.ship(kept.find_run(arguments["run"]))


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src", description="Reproduce the paper, step by step.")
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
    commands.add_parser("address", help="say where the repository lives; empty: nowhere yet").add_argument("url")
    commands.add_parser("release", help="pack the built book and the code")
    step = commands.add_parser("predict", help="what a model says of photographs")
    step.add_argument("images", nargs="+", metavar="IMAGE", help="files or folders, in any format that Pillow reads")
    step.add_argument("--run", help="<profile>/<run> or a run's folder; default: the shipped model")
    step.add_argument("--out", metavar="CSV", help="a new file with one row an image")
    step.add_argument("--maps", metavar="FOLDER", help="a new folder with the attention maps over the photographs")
    step = commands.add_parser("external", help="test a profile's models on a labelled test set of elsewhere")
    step.add_argument("profile")
    step.add_argument("folder")
    commands.add_parser("ship", help="make a run the shipped model").add_argument("run")
    step = commands.add_parser("audit", help="what a table of printed accuracies, precisions, recalls and F1 allows")
    step.add_argument("table", metavar="TABLE.csv", help="columns accuracy, precision, recall, f1; a row a model")
    step.add_argument("--n", type=int, help="test images, unless the table has a column n")
    arguments = parser.parse_args(argv)

    def take():
        if arguments.step in ("address", "release"):  # with the book's few packages
            from wagf_src.report import release, repository

            if arguments.step == "address":
                return repository.set_address(arguments.url)
            print(f"Release: {short(release.release())}")
            return 0
        if arguments.step in ("download", "check"):
            from wagf_src.data import download

            return download.main(arguments.step, arguments.folder)
        if arguments.step in ("predict", "ship"):
            return use(**vars(arguments))
        if arguments.step == "audit":
            from wagf_src.paper import audit_table

            return audit_table.main(arguments.table, arguments.n)
        from wagf_src import steps  # imports what draws and computes, which a download needs not

        return steps.take(arguments.step, arguments)

    return in_one_line(take)


def in_one_line(work: Callable[[], int | None]) -> int:
    """Do something; an exit code, 2 with one line where it fails in a way that a traceback would not explain."""
    try:
        return work() or 0
    except UserError as error:
        line = str(error)
    except shutil.Error as error:  # of a copied folder: every file that could not be, with the reason
        _, file, reason = error.args[0][0]
        line = f"{file}: {reason}; make room or access"
    except BrokenPipeError:  # `... | head`: whoever reads has seen enough, and what is left to print goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in STORAGE + IN_THE_WAY and error.filename is None:
            raise
        if error.errno in STORAGE:
            way = "make room or access"
        elif error.errno in IN_THE_WAY:
            way = "move away what is in its place"
        else:
            way = "name another, or mend it"
        line = f"{error.filename or 'a file'}: {error.strerror or error}; {way}"
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on: what is finished stays, a run goes on from its last saved epoch.")
        return 130
    print(f"error: {printable(line)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Not every name of a file can be printed everywhere; an escape is better than an end after hours.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    if "MAKELEVEL" in os.environ and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: make has the last word, this and its children none
    sys.exit(main())
