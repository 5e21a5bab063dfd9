"""Tests of `keysweep doctor`, in memory."""
