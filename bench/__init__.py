"""Speed and memory, beside the script that Keysweep grew from. Only ratios mean anything."""
