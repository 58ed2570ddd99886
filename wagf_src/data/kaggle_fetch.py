"""The kaggle client in a process of its own: ``python -m wagf_src.data.kaggle_fetch DATASET FOLDER [--anonymous]``.

Anonymous, it ends with code 4 where Kaggle asks who is there (HTTP 401 or 403). What else goes wrong is one line on
standard output and exit code 2; the client's own progress bar goes to standard error.
"""

import contextlib
import io
import os
import sys
import threading
import time

from wagf_src.data import kaggle_token
from wagf_src.data.kaggle_token import AGAIN, TWO_WAYS
from wagf_src.errors import UserError

NEEDS_TOKEN = 4


class NeedsToken(Exception):
    """Kaggle does not give this dataset to somebody unknown."""


def fetch(dataset: str, folder: str, anonymous: bool = False) -> None:
    """Download a dataset's archive; a partial file is resumed.

    Raises:
        NeedsToken: without an account Kaggle refuses.
        UserError: the token, the network or Kaggle refuses.
    """
    page = f"https://www.kaggle.com/datasets/{dataset}"
    try:
        import requests

        # On import it logs in; where that fails it prints a page of help.
        with contextlib.redirect_stdout(io.StringIO()):
            import kaggle

            if not anonymous and "auth_method" not in kaggle.api.config_values:
                kaggle.api.authenticate()  # once more, for the reason: the import swallows it
        with contextlib.redirect_stdout(sys.stderr):
            kaggle.api.dataset_download_files(dataset, path=folder, quiet=False)
    except ImportError:
        raise UserError("the kaggle package is not installed; use `make data`, which installs it") from None
    except SystemExit:
        raise UserError(f"Kaggle does not accept the token that was given; {TWO_WAYS}") from None
    except requests.exceptions.HTTPError as error:
        code = error.response.status_code
        if anonymous and code in (401, 403):
            raise NeedsToken from None
        advice = {
            401: f"check the token: {TWO_WAYS}",
            403: f"open {page} once while logged in, then check the token: {TWO_WAYS}",
            404: f"look at {page}, or give a folder that already holds the images by DATA=<folder>",
        }.get(code, f"{AGAIN} later")
        raise UserError(f"Kaggle refused the download of {dataset} (HTTP {code}); {advice}") from None
    except requests.exceptions.RequestException as error:
        raise UserError(
            f"the connection to Kaggle failed ({type(error).__name__}); check the network and {AGAIN}: "
            "it goes on where it stopped"
        ) from None
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; make room or access, then {AGAIN}"
        ) from None
    except Exception as error:  # the client found the file of another length than announced, or an answer unreadable
        raise UserError(f"the download from Kaggle went wrong ({type(error).__name__}: {error}); {AGAIN}") from None


def _end_with(parent: int) -> None:
    """Whoever started this was killed: end too, before a second client writes the same file."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(3)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        fetch(*sys.argv[1:3], anonymous="--anonymous" in sys.argv)
    except NeedsToken:
        sys.exit(NEEDS_TOKEN)
    except UserError as error:
        print(kaggle_token.hidden(" ".join(str(error).split())))
        sys.exit(2)
