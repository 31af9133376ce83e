"""Whether slow tests are run: those marked `slow`, and those that try more where there is time."""

import os

SLOW_TESTS = "LGE_SWEEP_SLOW_TESTS" in os.environ
REASON = "slow; set LGE_SWEEP_SLOW_TESTS=1 to run it"
"""Why a test is skipped otherwise."""
