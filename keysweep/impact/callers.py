"""Who made a call, by the request log: the KQL that `keysweep impact` and the workbook share. Pure.

The diagnostic category RequestResponse goes to the table AzureDiagnostics. Its `properties` carry
`objectId`, empty where a key was used, and arrive as a text of JSON (`properties_s`) or as an
object, which the table takes apart into columns of its own (`apiName_s` among them; an empty object
id is no column). A text without an object id at all, or one that is no JSON, says nothing of who
called: it counts for neither.

This module imports nothing: `infra.workbook` is made of it.
"""

TABLE = "AzureDiagnostics"

NOBODYS_USE = "401"
"""The status of a call that was refused because nobody was known: it used nothing."""

REFUSED = ("401", "403")
"""The statuses of calls that were refused for who asked; both have other reasons as well."""

CALLS = """\
| where ResourceProvider =~ 'MICROSOFT.COGNITIVESERVICES' and Category == 'RequestResponse'
"""
"""Of the table, the rows that are calls."""

CALLER = """\
| extend said = parse_json(tostring(column_ifexists('properties_s', ''))),
    objectGuid = tostring(column_ifexists('objectId_g', '')),
    objectText = tostring(column_ifexists('objectId_s', '')),
    flatApi = tostring(column_ifexists('apiName_s', '')),
    flatDeployment = tostring(column_ifexists('modelDeploymentName_s', ''))
| extend caller = case(
        isnotempty(objectGuid) or isnotempty(objectText), 'identity',
        isnotempty(flatApi), 'key',
        isnull(said.objectId), 'unknown',
        isempty(tostring(said.objectId)), 'key',
        'identity'),
    deployment = iff(
        isempty(flatDeployment), tostring(said.modelDeploymentName), flatDeployment)
"""
"""Of calls, `caller` (`key`, `identity`, `unknown`) and the model's `deployment`."""

ONCE = """\
| distinct TimeGenerated, CorrelationId, OperationName, CallerIPAddress, ResultSignature, caller,
    deployment, _ResourceId
"""
"""Each call once, where several workspaces have it."""
