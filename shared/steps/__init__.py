"""What a sweep does, step by step, on the ports that `ports` declares.

The steps import `core`. They know Azure by those ports alone, so tests run them in memory.
"""
