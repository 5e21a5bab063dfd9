"""What a sweep does, step by step, on the ports that `ports` and the steps declare.

The steps import `core`. They know Azure by those ports alone, so tests run them in memory.
"""
