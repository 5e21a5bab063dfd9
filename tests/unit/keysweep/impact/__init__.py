"""Tests of `keysweep impact`, in memory."""
