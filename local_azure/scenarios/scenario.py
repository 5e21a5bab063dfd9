"""A tenant with what happens in it, and how the Function is set for it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from local_azure.log import SeenRequest
from local_azure.state.tenant import Tenant


@dataclass
class Scenario:
    """`LocalAzure` takes one instead of a tenant: it attaches the hooks and exports the settings.

    `drift` names the accounts (by id) that a sweep in enforce mode changes or tries to change.
    """

    tenant: Tenant
    settings: dict[str, str] = field(default_factory=dict)
    hooks: list[Callable[[SeenRequest], None]] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)

    def when_first_read(self, account_id: str, happens: Callable[[], None]) -> None:
        """Let something happen just before ARM first answers a GET of the account."""
        left = [happens]

        def hook(request: SeenRequest) -> None:
            is_read = request.method == "GET" and request.path.lower() == account_id.lower()
            if left and is_read and request.principal is not None:
                left.pop()()

        self.hooks.append(hook)
