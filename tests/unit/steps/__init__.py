"""Tests of `steps`, in memory."""
