"""What a deployment needs beside its templates: checks before, the tenant's part, the package.

Imports the standard library, `infra` and `shared.core` alone. Only `azure_cli` runs programs,
and only `upload` opens connections.
"""
