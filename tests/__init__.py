"""Tests, by kind: unit, azure (end to end), cli, dashboard, infra, docs, and of our own tools."""
