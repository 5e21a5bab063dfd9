"""Tests of `support`, in memory."""
