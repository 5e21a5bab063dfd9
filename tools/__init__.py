"""Programs for developers: the demo, the month, prose and pictures, mutants. Never deployed."""
