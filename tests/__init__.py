"""Tests, and the local Azure that they run against. Never deployed."""
