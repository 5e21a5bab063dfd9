"""Tests of `border`, in memory."""
