"""Microsoft.Resources/tags/default at an account: read, and merge, replace or delete."""

from local_azure.exchange import Answer, Call, Refusal, invalid_content
from local_azure.handlers.accounts import find_account, guard
from local_azure.log import Standing, Write
from local_azure.sources import behaviour
from local_azure.state.account import Account

_MOST_TAGS = 50
_LONGEST_VALUE = 256


def get_tags(call: Call) -> Answer:
    """Return the tags of the account."""
    return Answer(200, _wire(find_account(call)))


@behaviour(
    "tags API, PATCH: Merge adds and updates by name, Delete takes away by name and value, Replace "
    "replaces all; every tag that isn't named stays; names are compared without regard to case",
    "REST reference, Tags - Update At Scope (2021-04-01 to 2025-04-01)",
    "documented",
)
@behaviour(
    "tags API: 200 with the tags, done at once",
    "REST reference, Tags - Update At Scope: 200 OK; 202 is possible since 2022-09-01",
    "documented",
)
@behaviour(
    "tags API: Microsoft.Resources/tags/write alone is enough; locks and policies hold as for any "
    "write",
    "azure-docs azure-resource-manager/management/tag-resources: Tag Contributor",
    "documented",
)
@behaviour(
    "more than 50 tags, or a value over 256 characters, is refused with 400",
    "azure-docs tag-resources, limitations; code and text are from memory",
    "unverified",
)
def patch_tags(call: Call) -> Answer:
    """Merge, delete or replace tags."""
    account = find_account(call)
    body = call.json()
    tags = (body.get("properties") or {}).get("tags")
    operation = str(body.get("operation", ""))
    if not isinstance(tags, dict) or operation not in {"Merge", "Delete", "Replace"}:
        raise invalid_content("Required property 'operation' or 'properties.tags' not found")
    changed = _changed(account.tags or {}, operation, tags)
    guard(call, account, {"tags": changed})
    _judge(changed)
    tenant = call.services.tenant
    before = account.copy()
    tenant.set_tags(account, changed, by=call.principal)
    call.services.writes.append(
        Write(
            ordinal=call.request.ordinal,
            at=call.services.clock.now(),
            principal=call.principal.object_id,
            account_id=account.id,
            body=body,
            operation=None,
            before=Standing.of(before, None, None),
            after=Standing.of(account, None, None),
        )
    )
    return Answer(200, _wire(account))


def _changed(held: dict[str, str], operation: str, tags: dict[str, str]) -> dict[str, str]:
    if operation == "Replace":
        return dict(tags)
    spelled = {name.lower(): name for name in held}
    changed = dict(held)
    for name, value in tags.items():
        known = spelled.get(name.lower(), name)
        if operation == "Merge":
            changed[known] = value
        elif changed.get(known) == value:
            del changed[known]
    return changed


def _judge(tags: dict[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise Refusal(
            400,
            "TooManyTags",
            f"The resource has {len(tags)} tags. The maximum number of tags is {_MOST_TAGS}.",
        )
    for name, value in tags.items():
        if len(value) > _LONGEST_VALUE:
            raise Refusal(
                400,
                "InvalidTagValueLength",
                f"The tag value of '{name}' is too long. The maximum is {_LONGEST_VALUE}.",
            )


def _wire(account: Account) -> dict[str, object]:
    return {
        "id": f"{account.id}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": dict(account.tags or {})},
    }
