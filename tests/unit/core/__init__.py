"""Tests of `core`, in memory."""
