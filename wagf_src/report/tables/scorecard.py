"""The verdicts."""

import pandas as pd

from wagf_src.paper import claims as ledger
from wagf_src.report.evidence import Evidence


def claims(evidence: Evidence) -> pd.DataFrame:
    """Every claim with its verdict (``paper.claims.evaluate``)."""
    return ledger.evaluate(evidence).assign(provenance=evidence.provenance)
