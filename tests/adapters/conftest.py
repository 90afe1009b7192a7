"""Leaves out the folders of job libraries that are not installed."""

from support.libraries import MISSING

collect_ignore = MISSING
