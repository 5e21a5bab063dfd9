"""Subscriptions and management groups are named by id or by name, and never taken for others."""

import pytest

from keysweep.advice import UsageProblem
from keysweep.configuration import Options
from keysweep.places import Place, Typed

DEV, PROD, TWIN = (f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2, 3))
SUBSCRIPTIONS = [Place(DEV, "contoso-web-dev"), Place(PROD, "contoso-web-prod")]
GROUPS = [Place("mg-1", "Landing zones"), Place("contoso", "Contoso"), Place("mg-2", "contoso")]


@pytest.mark.parametrize("text", ["contoso-web-prod", "Contoso-Web-Prod"])
def test_a_subscription_is_found_by_its_name_in_any_letters(text: str) -> None:
    assert Typed((DEV, text)).subscription_ids(SUBSCRIPTIONS) == (DEV, PROD)


def test_ids_alone_need_no_look() -> None:
    assert not Typed((DEV, PROD.upper())).needs_looking_up
    assert Typed((DEV, "prod")).needs_looking_up


def test_every_wrong_name_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(UsageProblem) as raised:
        Typed(("contoso-web-prd", DEV, "zebra")).subscription_ids(SUBSCRIPTIONS)
    first, second = str(raised.value).splitlines()
    assert "'contoso-web-prd' is no subscription that you can read" in first
    assert "Did you mean contoso-web-prod" in first
    assert "'zebra'" in second
    assert second.endswith("You can read: contoso-web-dev, contoso-web-prod.")


def test_a_name_of_two_asks_for_an_id() -> None:
    known = [*SUBSCRIPTIONS, Place(TWIN, "contoso-web-dev")]
    with pytest.raises(UsageProblem, match=f"name of 2 subscriptions: give an id .{DEV}, {TWIN}"):
        Typed(("contoso-web-dev",)).subscription_ids(known)


def test_a_groups_id_goes_before_another_groups_name() -> None:
    typed = Typed(management_groups=("contoso", "landing ZONES"))
    assert typed.group_ids(GROUPS) == ("contoso", "mg-1")


def test_where_the_groups_can_not_be_read_ids_are_taken_as_typed() -> None:
    assert Typed(management_groups=("mg-9",)).group_ids(None) == ("mg-9",)


def test_the_path_that_azure_writes_before_an_id_is_no_part_of_it() -> None:
    groups = ("/providers/Microsoft.Management/managementGroups/mg-1",)
    assert Options({}, management_groups=groups).typed.management_groups == ("mg-1",)
    assert Options({}, (f"/subscriptions/{DEV}",)).typed.subscriptions == (DEV,)
    assert Options({}, ("a/b",)).typed.subscriptions == ("a/b",)


def test_the_path_of_a_group_names_no_subscription() -> None:
    path = "/providers/Microsoft.Management/managementGroups/contoso-web-prod"
    with pytest.raises(UsageProblem, match="is no subscription"):
        Options({}, (path,)).typed.subscription_ids(SUBSCRIPTIONS)


def test_the_path_of_a_subscription_names_no_group() -> None:
    typed = Options({}, management_groups=("/subscriptions/contoso",)).typed
    with pytest.raises(UsageProblem, match="is no management group"):
        typed.group_ids(GROUPS)
