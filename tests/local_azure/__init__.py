"""The local Azure does what Azure does."""
