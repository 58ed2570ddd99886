"""What a run's validation images choose, and nothing else: a temperature for its probabilities, rules for decisions."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from wagf_src.classes import CLASSES
from wagf_src.errors import UserError
from wagf_src.runs import Run, validation_predictions
from wagf_src.stats import calibration
from wagf_src.stats.metrics import log_loss

MELANOMA_SENSITIVITY = 0.60  # of the aims in book/plans.md, fixed before the runs


def tempered(p: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, 7) whose logits are divided by a temperature (Guo et al., ICML 2017): above 1, less sure."""
    return special.softmax(np.log(np.clip(p, calibration.LEAST, 1)) / temperature, axis=1)


def best_temperature(y: np.ndarray, p: np.ndarray) -> float:
    """The temperature between 1/20 and 20 with the least log loss on these images: y (n,), p (n, 7)."""
    optimum = optimize.minimize_scalar(lambda t: log_loss(y, tempered(p, np.exp(t))), bounds=np.log([1 / 20, 20]))
    return float(np.exp(optimum.x))


@dataclass(frozen=True)
class Decisions:
    """Chosen once, on validation images; ``vars`` of it go into a file and come back as arguments.

    Attributes:
        temperature: see :func:`tempered`.
        shares: of the classes among the training draws, (7,).
        often, fair: strengths of ``calibration.corrected`` with the best accuracy, and the best balanced accuracy.
        melanoma_factor: see ``calibration.favour_melanoma``.
    """

    temperature: float
    shares: list[float]
    often: float
    fair: float
    melanoma_factor: float

    def rules(self, p: np.ndarray) -> dict[str, np.ndarray]:
        """Each rule's name and what it makes of probabilities (n, 7); its decision is the class with the largest."""
        return {
            "as trained": p,
            "most often right": calibration.corrected(p, self.shares, self.often),
            "fair to every class": calibration.corrected(p, self.shares, self.fair),
            f"{MELANOMA_SENSITIVITY:.0%} of melanomas found": calibration.favour_melanoma(p, self.melanoma_factor),
        }


def class_shares(run: Run) -> np.ndarray:
    """Shares of the classes among the training draws, (7,): class c is drawn with weight n_c ** balance.

    Counted on the validation images: their lesions are stratified, so they have the same shares as those of training.
    """
    counts = np.bincount(validation_predictions(run)[0], minlength=len(CLASSES))
    drawn = counts ** float(run.info["settings"]["balance"])
    return drawn / drawn.sum()


def choose(run: Run) -> Decisions:
    """What the validation images of a run choose.

    Raises:
        UserError: the run kept no predictions of them, or a class is missing among them.
    """
    held = validation_predictions(run)
    if held is None or len(np.unique(held[0])) < len(CLASSES):
        raise UserError(f"{run.name}: no validation predictions of all classes, which choose temperature and rules")
    shares = class_shares(run)
    often, fair = (calibration.best_strength(*held, shares, m) for m in ("accuracy", "balanced_accuracy"))
    return Decisions(
        temperature=best_temperature(*held),
        shares=shares.tolist(),
        often=often,
        fair=fair,
        melanoma_factor=calibration.melanoma_factor(*held, MELANOMA_SENSITIVITY),
    )
