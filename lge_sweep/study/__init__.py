"""Study: what a sweep is. Noun `Plan`, verb `make_plans`."""

from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan

__all__ = ["Plan", "make_plans"]
