"""Tests of `keysweep`, in memory."""
