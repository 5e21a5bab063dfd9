"""Tenants to run against: small ones, a large one, and the demo's."""

from local_azure.scenarios.demo import demo
from local_azure.scenarios.scenario import Scenario
from local_azure.scenarios.tenants import empty, four_accounts, large

__all__ = ["Scenario", "demo", "empty", "four_accounts", "large"]
