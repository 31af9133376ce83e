"""Study: what a sweep is. Noun `Plan`, verb `make_plans`."""

from lge_sweep.study.plan import Plan, make_plans

__all__ = ["Plan", "make_plans"]
