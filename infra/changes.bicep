// Who is told when somebody changes what Keysweep runs on, or opens a way to its identity: two alerts
// on the activity log, by the operations of watched-operations.json. SECURITY.md says what they can't
// see: packages are blobs, and what happens to blobs is not in that log.
//
// An activity log alert has no severity and no state: each entry that it finds calls once
// (learn.microsoft.com: "Activity Log Alerts - Create Or Update"; read in 2026-11, not run). That log
// has an entry when an operation starts, too, so only those that succeeded count.

@description('Where changes are looked for: what is at or below these resource ids, and these rules themselves. Empty: all of the resource group.')
param watchedIds array

@description('The action groups to call, by severity, as in alerts.bicep. An empty one: those alerts are seen in the portal only.')
param actionGroupIds object

@description('Begins the name of each rule.')
param namePrefix string

@description('Where docs/runbook.md can be read by who is called. Empty: no link.')
param runbookUrl string

param tags object

var loaded = loadJsonContent('watched-operations.json')
var ruleIds = map(
  loaded.alerts,
  alert => resourceId('Microsoft.Insights/activityLogAlerts', '${namePrefix}-${alert.name}')
)

resource rules 'Microsoft.Insights/activityLogAlerts@2020-10-01' = [
  for alert in loaded.alerts: {
    name: '${namePrefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: empty(runbookUrl)
        ? alert.description
        : '${alert.description} ${runbookUrl}#${toLower(replace(alert.title, ' ', '-'))}'
      enabled: true
      scopes: empty(watchedIds) ? [resourceGroup().id] : concat(watchedIds, ruleIds)
      condition: {
        allOf: [
          { field: 'category', equals: 'Administrative' }
          { field: 'status', equals: 'Succeeded' }
          {
            anyOf: map(
              alert.operations,
              operation => { field: 'operationName', equals: operation.name }
            )
          }
        ]
      }
      actions: {
        actionGroups: empty(actionGroupIds[?string(alert.severity)] ?? '')
          ? []
          : [{ actionGroupId: actionGroupIds[string(alert.severity)] }]
      }
    }
  }
]
