"""Quantify: from label images to what a clinician reads, and how well two ways of measuring it agree."""
