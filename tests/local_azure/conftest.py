"""What the tests of the local Azure share."""

import pytest

from local_azure import Tenant


@pytest.fixture
def tenant() -> Tenant:
    """Give a tenant with two accounts, of which nobody ever said whether they have keys."""
    tenant = Tenant.with_one_subscription()
    tenant.add_account("one")
    tenant.add_account("two")
    return tenant
