"""Tests of asyncrgb.tuning."""
