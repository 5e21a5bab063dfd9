"""What stands in the way of a person and of the deployed Function: looked at, and never written.

Each check is a finding, made by a pure function of what was read. What could not be looked at is a
finding too, and never a good one.
"""
