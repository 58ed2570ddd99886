"""The reader's Kaggle token: found, checked and stripped before anything is asked with it; never shown."""

import json
import os
from pathlib import Path

from wagf_src.errors import UserError

AGAIN = "run the same command again"
TWO_WAYS = (
    "create one at https://www.kaggle.com/settings/api, then either set the environment variable "
    "KAGGLE_API_TOKEN=<token> or save the legacy key file as ~/.kaggle/kaggle.json, "
    f"and {AGAIN} (or give a folder that already holds the images by DATA=<folder>)"
)
VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")


def _files() -> list[Path]:
    home = Path(os.path.expanduser("~"))
    folders = [home / ".kaggle", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"]
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        folders.append(Path(os.environ["KAGGLE_CONFIG_DIR"]))
    names = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
    return [folder / name for folder in folders for name in names if (folder / name).is_file()]


def stripped() -> dict[str, str]:
    """The token variables without blanks and line ends around them, for the client's environment.

    Raises:
        UserError: there is no token at all, or it cannot be one.
    """
    variables = {name: os.environ[name].strip() for name in VARIABLES if os.environ.get(name, "").strip()}
    for name, value in variables.items():
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise UserError(f"{name} holds characters that no token has (copied with quotes?); {TWO_WAYS}")
    if "KAGGLE_API_TOKEN" in variables or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= set(variables):
        return variables
    files = _files()
    if not files:
        raise UserError(f"Kaggle asks for a token, and none was found; {TWO_WAYS}")
    for file in files:
        try:
            text = file.read_bytes().decode("ascii")
            if file.suffix == ".json":
                content = json.loads(text)
                good = isinstance(content, dict) and all(isinstance(value, str) for value in content.values())
                if not good or (file.name == "kaggle.json" and not {"username", "key"} <= set(content)):
                    raise ValueError
        except (OSError, ValueError):
            raise UserError(f"{file} is not a Kaggle token file as Kaggle gives it; {TWO_WAYS}") from None
    return variables


def hidden(text: str) -> str:
    """The text without any of the reader's secrets."""
    secrets = {os.environ.get(name, "").strip() for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY")}
    for file in _files():
        try:
            content = file.read_text(encoding="utf-8")
            secrets |= (
                {value for value in json.loads(content).values()} if file.suffix == ".json" else {content.strip()}
            )
        except (OSError, ValueError, AttributeError):
            continue
    for secret in sorted((s for s in secrets if isinstance(s, str) and len(s) > 3), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
