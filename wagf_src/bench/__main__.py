"""``python -m wagf_src.bench``: see :mod:`wagf_src.bench.benchmark`."""

import sys

from wagf_src.bench.benchmark import main

sys.exit(main())
