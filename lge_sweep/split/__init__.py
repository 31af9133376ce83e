"""Split: assign cases to training, validation and test, and audit for leaks. Noun `Split`, verb `split_cases`."""

from lge_sweep.split.assign import SUBSETS, Split, split_cases

__all__ = ["SUBSETS", "Split", "split_cases"]
