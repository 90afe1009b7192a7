"""Tests that others inherit: what an adapter promises, for whoever writes one.

Our own adapters go through the same door. The modules import pytest; import them in tests only.
"""
