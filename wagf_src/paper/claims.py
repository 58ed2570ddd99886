"""The ledger: every checkable claim of the paper, how it is tested, a tolerance fixed in advance, and the verdict.

The claims stand in ``claims.yaml``. Verdicts are computed (``claim_tests``), never typed, and change by themselves when
better results land. Each line says for itself what it rests on: profile, data, training, seeds and device, or none of
these. The rules, the same for every claim:

1. **Data.** A verdict about HAM10000 needs all 10,015 photographs and the paper's test images (or all of them in turn,
   in folds). Synthetic images and rehearsals on a handful of photographs never give one.
2. **Who can decide.** The paper's claims about modules and backbones are about DenseNet-121 trained end to end. Only
   such runs, of at least two seeds, give a verdict; of several such conditions the one nearest to the paper's. All
   others say what they show, with their name, and give none (``elsewhere``).
3. **Claims about a direction** ("A is better than B") follow the one rule of ``directions`` (book/plans.md): shown to
   be better, ``reproduced``; shown to be worse, or below the printed gain by more than both margins, ``not
   reproduced``; else ``not testable here``. A gain smaller than printed is still a gain.
4. **Claims about a level** ("reaches 90.75%") depend on image size, backbone and training, so they get a verdict only
   under the conditions that the paper states (``conditions.STATED``): a lower value under lesser conditions refutes
   nothing, and a matching one proves nothing. A level counts as reached unless our value is lower by more than the
   margins of both together (``stats.paired.verdict``): test images are a sample on both sides. A better value than
   printed never counts against a claim. The paper's levels rest on one run, so ours may too.
5. **Two readings.** The paper's text and the released code differ, so claims about the model are tested on both;
   neither stands in for the other.
6. **By construction.** Claims that mathematics decides are decided numerically, on random maps, whatever the profile.
7. **Counts** of files and images are no claims about the model: they agree or differ, and are tallied by themselves.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import yaml

from wagf_src.arms import READINGS
from wagf_src.paper import claim_tests, published
from wagf_src.paper.claim_tests import Test

COLUMNS = ["part", "id", "claim", "section", "unit", "paper_value", "paper_low", "paper_high", "our_value", "ci_low"]
COLUMNS += ["ci_high", "p_holm", "tolerance", "verdict", "rests_on", "evidence", "elsewhere"]


@dataclass(frozen=True)
class Claim:
    """One line of the ledger.

    Attributes:
        part: "claims" or "counts".
        reading: of the model, "described" or "released"; None for claims that are about neither.
        because: why this tolerance; for a count, what agreement says.
        test: gives its printed value (in ``unit``, NaN where the paper gives no number) and, of evidence, the outcome.
    """

    part: str
    id: str
    claim: str
    section: str
    chapter: str
    unit: str
    how: str
    tolerance: str
    because: str
    reading: str | None
    test: Test


def _ledger():
    entries = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8"))
    for entry in entries["claims"]:
        [(kind, arguments)] = entry.pop("test").items()
        for reading in READINGS if entry.pop("readings", False) else [None]:
            notes = {"id": f"{entry['id']}-{reading}", "claim": f"{entry['claim']} (as {reading})"} if reading else {}
            options = {"reading": reading} if reading else {}
            test = claim_tests.TESTS[kind](*(arguments or ()), **options)
            yield Claim(**entry | notes, part="claims", reading=reading, test=test)
    for entry in entries["counts"]:
        within = entry.pop("within", 0)
        test = claim_tests.count(entry["id"], getattr(published, entry.pop("paper")), within)
        tolerance = f"±{within}{' points' * (entry['unit'] == '%')}" if within else "exact"
        how = "counted from the metadata by the recovered protocol"
        yield Claim(**entry, part="counts", chapter="protocol", how=how, tolerance=tolerance, reading=None, test=test)


LEDGER: tuple[Claim, ...] = tuple(_ledger())


def evaluate(evidence) -> pd.DataFrame:
    """The ledger judged by what is at hand: one line a claim, columns as COLUMNS.

    Values are in the claim's ``unit`` and come from runs that can decide it; ``elsewhere`` says what other conditions
    show. ``evidence`` is a Markdown link to the chapter that shows it, and a note. Without results every empirical
    claim is not testable here.

    Args:
        evidence: has ``profile``, ``runs``, ``conditions`` and ``table(name)``, as ``report.evidence.Evidence``.
    """
    lines = []
    for claim in LEDGER:
        outcome = claim.test.evaluate(evidence)
        line = vars(claim) | asdict(outcome) | dict(zip(("paper_value", "paper_low", "paper_high"), claim.test.paper))
        link = f"[{claim.chapter}]({claim.chapter}.ipynb)"
        lines.append(line | {"evidence": f"{link}: {outcome.note}" if outcome.note else link})
    return pd.DataFrame(lines)[COLUMNS]
