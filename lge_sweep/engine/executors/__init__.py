"""Executors: where and how cells are trained."""
