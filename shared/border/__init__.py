"""Everything that talks to Azure: the only package of the Function that imports an SDK.

It imports `core`, and implements the ports of `steps`.
"""
