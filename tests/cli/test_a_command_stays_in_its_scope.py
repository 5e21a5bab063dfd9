"""A command writes inside the scope that was said, and says what, where and as whom.

The judge is the server: what was written, and by whom it was asked.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.state.account import PatchForm
from tests.support.terminal import Ran, at_once, here, in_terminal

type Serve = Callable[..., LocalAzure]
type Arguments = tuple[str, ...]

TAG = "local-auth-exempt"


def two(*, dev_has_one: bool = False, tag: str | None = None) -> Tenant:
    """Return a tenant with a development and a production subscription, and a bot in production."""
    tags = {} if tag is None else {TAG: tag}
    tenant = Tenant()
    for name in ("dev", "prod"):
        tenant.add_management_group(f"mg-{name}")
        tenant.add_subscription(name, parent=f"mg-{name}")
    tenant.add_account("bot", subscription="prod", local_auth=True, tags=tags)
    tenant.add_account("quiet", subscription="prod", local_auth=False)
    if dev_has_one:
        tenant.add_account("bot", subscription="dev", local_auth=True)
    return tenant


def bot_in(azure: LocalAzure, subscription: str) -> str:
    """Return the id of the bot of a subscription."""
    (account,) = (
        account
        for account in azure.tenant.accounts_in(azure.tenant.subscription(subscription).id)
        if account.name == "bot"
    )
    return account.id


def written(azure: LocalAzure) -> set[str]:
    return {write.account_id for write in azure.writes}


def bounded(azure: LocalAzure, how: str) -> tuple[Arguments, dict[str, str]]:
    """Return how a person says that they mean development alone: on the line, or by settings."""
    dev, prod = (azure.tenant.subscription(name).id for name in ("dev", "prod"))
    match how:
        case "-s":
            return ("-s", dev), {}
        case "-m":
            return ("-m", "mg-dev"), {}
        case "subscriptions":
            return (), {"SWEEP_SUBSCRIPTIONS": dev}
        case "management groups":
            return (), {"SWEEP_MANAGEMENT_GROUPS": "mg-dev"}
        case _:
            return (), {"SWEEP_EXCLUDE_SUBSCRIPTIONS": prod.upper()}


BOUNDS = ["-s", "-m", "subscriptions", "management groups", "excluded"]
COMMANDS: dict[str, Arguments] = {
    "sweep": ("sweep", "--yes", "--only", "{}"),
    "exempt": ("exempt", "{}", "--open-ended"),
    "remove": ("exempt", "{}", "--remove"),
    "enable keys": ("exempt", "{}", "--open-ended", "--enable-keys"),
}


def run(azure: LocalAzure, command: str, name: str, *more: str, **environ: str) -> Ran:
    arguments = [argument.format(name) for argument in COMMANDS[command]]
    return here(azure, *arguments, *more, **environ)


@pytest.mark.parametrize("how", BOUNDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_outside_the_scope_is_not_written(serve: Serve, how: str, command: str) -> None:
    azure = at_once(serve, two(tag="true" if command == "remove" else None))
    line, settings = bounded(azure, how)
    for name in ("bot", "rg-ai/bot", bot_in(azure, "prod"), bot_in(azure, "prod").upper() + "/"):
        ran = run(azure, command, name, *line, **settings)
        assert not written(azure)
        assert "scope" in ran.err
        assert ran.code == 64, ran.err


@pytest.mark.parametrize("how", BOUNDS)
def test_a_namesake_outside_the_scope_is_nobodys_concern(serve: Serve, how: str) -> None:
    azure = at_once(serve, two(dev_has_one=True))
    line, settings = bounded(azure, how)
    ran = here(azure, "exempt", "rg-ai/BOT", "--open-ended", *line, **settings)
    assert ran.code == 0, ran.err
    assert written(azure) == {bot_in(azure, "dev")}


def test_a_namesake_inside_the_scope_is_asked_about(serve: Serve) -> None:
    azure = at_once(serve, two(dev_has_one=True))
    for command in COMMANDS:
        ran = run(azure, command, "rg-ai/bot")
        assert bot_in(azure, "dev") in ran.err
        assert bot_in(azure, "prod") in ran.err
        assert ran.code == 64
    assert not written(azure)


def test_a_delegated_subscription_of_another_tenant_is_out_of_scope(serve: Serve) -> None:
    tenant = two()
    other = "99999999-9999-4999-8999-999999999999"
    tenant.add_subscription("theirs", tenant_id=other, managed_by_tenants=(tenant.id,))
    tenant.assign(tenant.team, tenant.subscription("theirs").scope, ["*"])
    theirs = tenant.add_account("partner", subscription="theirs", local_auth=True)
    azure = at_once(serve, tenant)
    for command in ("exempt", "enable keys", "sweep"):
        for name in ("partner", theirs.id):
            ran = run(azure, command, name)
            assert not written(azure)
            assert ran.code == 64, ran.err
    assert "of another tenant" in run(azure, "exempt", theirs.id).err


def test_a_disabled_subscription_is_out_of_scope(serve: Serve) -> None:
    tenant = two()
    tenant.add_subscription("ended", parent="mg-dev", state="Disabled")
    old = tenant.add_account("old", subscription="ended", local_auth=True)
    azure = at_once(serve, tenant)
    for command in ("exempt", "sweep"):
        for name in ("old", old.id):
            ran = run(azure, command, name)
            assert ran.code == 64, ran.err
    assert "is disabled" in run(azure, "exempt", old.id).err
    assert not written(azure)


@pytest.mark.parametrize("command", COMMANDS)
def test_another_kind_is_out_of_scope_and_is_not_called_compliant(
    serve: Serve, command: str
) -> None:
    tenant = two()
    tags = {TAG: "true"} if command == "remove" else None
    face = tenant.add_account("faces", subscription="dev", kind="Face", local_auth=True, tags=tags)
    azure = at_once(serve, tenant)
    for name in ("faces", face.id):
        ran = run(azure, command, name)
        assert not written(azure)
        assert "Its kind is Face" in ran.err
        assert "compliant" not in ran.out
        assert ran.code == 64


def test_a_kind_that_the_settings_take_in_is_written(serve: Serve) -> None:
    tenant = two()
    face = tenant.add_account("faces", subscription="dev", kind="Face", local_auth=True)
    azure = at_once(serve, tenant)
    assert run(azure, "sweep", "faces", SWEEP_KINDS="Face").code == 0
    assert written(azure) == {face.id}


def test_an_account_that_resource_graph_does_not_show_yet_is_read_from_arm(serve: Serve) -> None:
    azure = at_once(serve, two())
    azure.services.feed.lag = 3600.0
    new = azure.tenant.add_account(
        "newcomer", subscription="dev", local_auth=True, patch=PatchForm.OK_200, stale_reads=0
    )
    by_name = run(azure, "sweep", "newcomer")
    assert "Give its resource id if it was made within the last minutes." in by_name.err
    assert by_name.code == 64
    by_id = run(azure, "sweep", new.id)
    assert by_id.code == 0, by_id.err
    assert written(azure) == {new.id}
    assert not azure.tenant.account(new.id).keys_on


def hidden_and_forbidden() -> Tenant:
    """Return a tenant with a subscription that neither Resource Graph shows nor ARM lets list."""
    tenant = two()
    hidden = tenant.add_subscription("hidden", parent="mg-dev", hidden_from_graph=True)
    tenant.deny(tenant.team, hidden.scope, ["Microsoft.CognitiveServices/accounts/read"])
    return tenant


def test_a_subscription_whose_list_is_forbidden_does_not_stop_every_look_up(serve: Serve) -> None:
    azure = at_once(serve, hidden_and_forbidden())
    ran = run(azure, "exempt", "bot")
    assert ran.code == 0, ran.err
    assert written(azure) == {bot_in(azure, "prod")}


def test_a_name_that_may_be_in_what_could_not_be_read_is_not_said_to_be_nowhere(
    serve: Serve,
) -> None:
    azure = at_once(serve, hidden_and_forbidden())
    ran = run(azure, "exempt", "somebody")
    assert "as far as it could be read" in ran.err
    assert "subscription hidden" in ran.err
    assert ran.code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_management_group_that_cannot_be_read_bounds_all_the_same(
    serve: Serve, command: str
) -> None:
    tenant = two(tag="true" if command == "remove" else None)
    root = f"/providers/Microsoft.Management/managementGroups/{tenant.id}"
    tenant.deny(tenant.team, root, ["Microsoft.Management/managementGroups/descendants/read"])
    azure = at_once(serve, tenant)
    for name in ("bot", bot_in(azure, "prod")):
        ran = run(azure, command, name, "-m", "mg-prod")
        assert not written(azure)
        assert "managementGroup mg-prod" in ran.err
        assert ran.code == 2


@pytest.mark.parametrize("option", ["-s", "-m"])
def test_an_empty_scope_on_the_line_does_not_mean_everything(serve: Serve, option: str) -> None:
    azure = at_once(serve, two())
    for command in COMMANDS:
        ran = run(azure, command, "bot", option, "")
        assert not written(azure)
        assert "it would mean everything" in ran.err
        assert ran.code == 64
    assert here(azure, "sweep", "--yes", option, " ").code == 64
    assert not written(azure)


@pytest.mark.parametrize(
    ("part", "bent"),
    [
        ("/bot", "/bot?api-version=2020-01-01"),
        ("/bot", "/bot%2Fproviders"),
        ("/bot", "/bot#bot"),
        ("/bot", "/bot/deployments/gpt-4o"),
        ("/bot", "/bot\n/x"),
        ("/rg-ai/", "/rg%2Dai/"),
        ("/rg-ai/", "/rg-ai?/"),
        ("/subscriptions/", "/subscriptions/x"),
    ],
)
def test_an_id_that_leads_elsewhere_is_refused(serve: Serve, part: str, bent: str) -> None:
    azure = at_once(serve, two())
    for command in COMMANDS:
        ran = run(azure, command, bot_in(azure, "prod").replace(part, bent))
        assert not written(azure)
        assert "account" in ran.err
        assert ran.code == 64
    assert not written(azure)


def test_an_id_in_other_letters_is_the_same_account(serve: Serve) -> None:
    azure = at_once(serve, two())
    name = bot_in(azure, "prod")
    ran = here(
        azure, "sweep", "--yes", "--only", "bot", "--only", name.upper() + "//", "--only", "RG-AI/b"
        "ot",
    )  # fmt: skip
    assert "1 account in 1 subscription" in ran.out
    assert len(azure.writes) == 1
    assert ran.code == 0


def test_only_says_of_an_account_that_is_off_held_or_exempt_what_the_sweep_would(
    serve: Serve,
) -> None:
    tenant = two()
    tenant.add_group("rg-frozen", subscription="dev", tags={TAG: "until=2099-01-01"})
    tenant.add_account("frozen", subscription="dev", group="rg-frozen", local_auth=True)
    tenant.add_account("unsure", subscription="dev", local_auth=True, tags={TAG: "until=soon"})
    azure = at_once(serve, tenant)
    for name, verdict, code in (
        ("quiet", "1 compliant", 0),
        ("unsure", "1 held", 1),
        ("frozen", "1 exempt", 0),
    ):
        ran = run(azure, "sweep", name, EXEMPTION_INHERIT="true")
        assert f"1 account in 1 subscription · {verdict}" in ran.out
        assert ran.code == code
    assert not written(azure)


def test_an_account_that_was_made_anew_with_an_exemption_keeps_its_keys(serve: Serve) -> None:
    azure = at_once(serve, two())
    name = bot_in(azure, "prod")

    def make_anew() -> str:
        azure.tenant.delete(name)
        azure.tenant.add_account("bot", subscription="prod", local_auth=True, tags={TAG: "true"})
        return "y\n"

    ran = in_terminal(azure, "sweep", answers={"[y/N]": make_anew})
    assert "1 NOW_EXEMPT" in ran.plain
    assert not written(azure)


def namesakes() -> Tenant:
    """Return two accounts that differ in their subscription, and two of these of one name."""
    tenant = Tenant()
    tenant.add_management_group("contoso")
    first = tenant.add_subscription("prod", parent="contoso")
    second = tenant.add_subscription(
        "prod", parent="contoso", subscription_id="77777777-7777-4777-8777-777777777777"
    )
    for subscription in (first, second):
        tenant.add_account("bot", subscription=subscription, local_auth=True, tags={TAG: "false"})
    return tenant


@pytest.mark.parametrize("columns", [60, 80, 119, 160])
@pytest.mark.parametrize("arguments", [("sweep", "--audit"), ("sweep",), ("exempt", "--list")])
def test_plans_tell_namesakes_apart_in_every_width(
    serve: Serve, arguments: Arguments, columns: int
) -> None:
    tenant = namesakes()
    for account in tenant.accounts:
        if arguments[0] == "exempt":
            account.tags = {TAG: "true"}
    ran = in_terminal(at_once(serve, tenant), *arguments, columns=columns, answers={"[y/N]": "n\n"})
    together = re.sub(r"\s", "", ran.plain)
    for account in tenant.accounts:
        assert account.subscription_id in together


def test_results_name_group_and_subscription(serve: Serve) -> None:
    azure = at_once(serve, two())
    prod = azure.tenant.subscription("prod").id
    for arguments in (
        ("exempt", "bot", "--open-ended"),
        ("exempt", "bot", "--remove"),
    ):
        assert f"bot (rg-ai, subscription {prod})" in here(azure, *arguments).out


FUNCTION = (
    "/subscriptions/{}/resourceGroups/rg-keysweep/providers/Microsoft.Web/sites/func-keysweep"
)


def test_what_is_in_force_is_said_before_anything_is_asked(serve: Serve) -> None:
    azure = at_once(serve, two())
    ran = in_terminal(
        azure, "sweep", answers={"[y/N]": "n\n"}, columns=200, EXEMPTION_TAG="Keep Keys",
        EXEMPTION_INHERIT="resourceGroup", EXEMPTION_MAX_DAYS="30",
    )  # fmt: skip
    for said in (
        f"As ann@contoso.com, in tenant {azure.tenant.id}.",
        "Exempt: the tag 'Keep Keys' on the account or its resource group.",
        "it lasts 30 days at most",
        "Kinds: OpenAI, AIServices.",
        "Scope: every subscription that you can read.",
        "These come from the environment; the rest are defaults.",
    ):
        assert said in ran.plain.partition("[y/N]")[0]


def test_without_settings_it_is_said_that_these_are_defaults(serve: Serve) -> None:
    ran = here(at_once(serve, two()), "exempt", "quiet", "--open-ended")
    assert "These are defaults: nothing says how the deployed Function is set." in ran.err
    assert "--function RESOURCE-ID" in ran.err


def deployed(serve: Serve, **settings: str) -> tuple[LocalAzure, str]:
    """Serve a tenant in which a group exempts the bot, and the Function's settings say so."""
    tenant = two()
    tenant.add_group("rg-ai", subscription="prod", tags={"keep-keys": "true"})
    site = FUNCTION.format(tenant.subscription("prod").id)
    return at_once(serve, tenant, app_settings={site: settings}), site


def test_the_settings_of_the_deployed_function_can_be_read(serve: Serve) -> None:
    azure, site = deployed(
        serve, SWEEP_MODE="enforce", EXEMPTION_TAG="keep-keys", EXEMPTION_INHERIT="true",
        AzureWebJobsStorage="AccountKey=s3cret",
        APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=hidden",
        AzureFunctionsJobHost__functionTimeout="00:30:00", SWEEP_BUDGET_SECONDS="1700",
    )  # fmt: skip
    ran = here(azure, "sweep", "--yes", "--verbose", "--function", site.upper() + "/")
    assert "1 exempt" in ran.out
    assert "These come from FUNC-KEYSWEEP; the rest are defaults." in ran.err
    assert "s3cret" not in ran.out + ran.err
    assert "hidden" not in ran.out + ran.err
    assert not written(azure)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SWEEP_MODE": "enforce", "EXEMPTION_TAG": "@microsoft.keyvault(x)"}, "key vault"),
        ({"AzureWebJobsStorage": "x"}, "another app's"),
        ({"SWEEP_MODE": "enforce", "EXEMPTION_INHERIT": "maybe"}, "EXEMPTION_INHERIT is 'maybe'"),
        (
            {"SWEEP_MODE": "audit", "AZURE_TENANT_ID": "99999999-9999-4999-8999-999999999999"},
            "You are signed in to tenant",
        ),
    ],
)
def test_a_function_whose_settings_cannot_be_used_is_refused(
    serve: Serve, settings: dict[str, str], says: str
) -> None:
    azure, site = deployed(serve, **settings)
    ran = here(azure, "sweep", "--yes", "--function", site, AZURE_TENANT_ID="")
    assert says in ran.err
    assert not written(azure)
    assert ran.code == 64


def test_what_is_no_function_or_cannot_be_read_is_refused(serve: Serve) -> None:
    azure, site = deployed(serve, SWEEP_MODE="enforce")
    for bad in ("func-keysweep", f"{site}?x=y", "", f"{site}/config/web"):
        assert here(azure, "sweep", "--yes", "--function", bad).code == 64
    assert here(azure, "sweep", "--yes", "--function", f"{site}-2").code == 2
    azure.tenant.deny(
        azure.tenant.team, azure.tenant.subscription("prod").scope,
        ["Microsoft.Web/sites/config/list/action"],
    )  # fmt: skip
    forbidden = here(azure, "sweep", "--yes", "--function", site)
    assert "such as Website Contributor" in forbidden.err
    assert forbidden.code == 2
    assert not written(azure)


def test_a_files_client_id_does_not_decide_who_acts(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, two())
    file = tmp_path / "local.settings.json"
    values = {"SWEEP_MODE": "enforce", "AZURE_CLIENT_ID": azure.tenant.function.client_id}
    file.write_text(json.dumps({"Values": values}))
    here(azure, "scan", "--settings", str(file), AZURE_CLIENT_ID="")
    asked = [request.query for request in azure.operations if request.host == "identity"]
    assert asked
    assert all("client_id" not in query for query in asked)


def test_remove_says_what_still_protects_the_account(serve: Serve) -> None:
    tenant = two()
    tenant.add_group("rg-frozen", subscription="dev", tags={TAG: "until=2099-01-01"})
    for name, group, tags in (
        ("frozen", "rg-frozen", {TAG: "true"}),
        ("nearly", "rg-ai", {TAG: "true", "LocalAuthExempt": "true"}),
        ("bare", "rg-ai", {TAG: "true"}),
    ):
        tenant.add_account(name, subscription="dev", group=group, local_auth=True, tags=tags)
    azure = at_once(serve, tenant)
    says = {
        name: here(azure, "exempt", name, "--remove", EXEMPTION_INHERIT="true").out
        for name in ("frozen", "nearly", "bare")
    }
    assert "It is still exempt: The tag of its resourceGroup exempts it" in says["frozen"]
    assert "The next sweep holds it: Its tag 'LocalAuthExempt' is nearly" in says["nearly"]
    assert "the next sweep that enforces turns them off" in says["bare"]
    assert "turns them off" not in says["frozen"] + says["nearly"]


def test_a_locked_account_is_not_advised_to_be_tagged(serve: Serve) -> None:
    azure = at_once(serve, two())
    azure.tenant.add_lock(bot_in(azure, "prod"))
    swept = run(azure, "sweep", "bot")
    assert "ScopeLocked" in swept.out
    assert "exempt the account" not in swept.out
    tagged = run(azure, "exempt", "bot")
    assert "its tags can't be changed either" in " ".join(tagged.err.split())
    assert tagged.code == 2
