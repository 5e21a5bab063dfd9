// The alerts of alerts.yaml: what wakes somebody, and when. alerts.json is written of it.
//
// The rules of Azure that shaped them (learn.microsoft.com: "Create or edit a log search alert
// rule", "Azure Monitor service limits", and azurerm's documented checks; read in 2026-11, not run):
// - A query sees two days at most. A rule that resolves itself can't be looked at less often than
//   every twelve hours, and `evaluationFrequency` takes nothing between PT6H and P1D.
// - What has fired calls nobody again until it is resolved: when its condition was not met for three
//   looks in a row, of every 15 minutes or more often, and for two, of any rarer.
// - Each combination of the values of `dimensions`, at most six, is an alert and is billed by itself.
//   A rule fires at most 300 in one look, and holds 5,000. An address gets 100 mails an hour.
// - `resourceIdColumn` makes the resource that a row names the target of the alert, so that alert
//   processing rules at its scope see it. That this holds where the rule's own scope is an
//   Application Insights resource nobody here could try; the id is a dimension besides.

@description('The Application Insights resource that Keysweep reports to.')
param appInsightsId string

@description('The Function App whose sweeps these rules are about: another one that reports to the same resource has rules of its own.')
param functionApp string

@description('Where the rules are: the region of the Application Insights resource.')
param location string

@description('How far apart two sweeps are at most. One of `schedules` in alerts.yaml.')
param sweepInterval string = 'PT15M'

@description('The action groups to call, by severity, such as { "1": "/subscriptions/…" }. An empty one: those alerts are seen in the portal only.')
param actionGroupIds object = {}

@description('Begins the name of each rule.')
param namePrefix string = 'keysweep'

@description('Thresholds that are not those of alerts.yaml, by name of the alert, such as { "drift-high": 50 }.')
param thresholds object = {}

@description('How many days before an exemption lapses somebody is told.')
@minValue(1)
@maxValue(90)
param lapseDays int = 14

@description('How many days a drift may be open while enforcement is in force.')
@minValue(2)
@maxValue(90)
param oldDays int = 7

@description('When this is deployed, in UTC. Alerts give a day from then to what never reported, and to enforcement where they see no sweep that is older than a day.')
param deployedAt string = utcNow('yyyy-MM-ddTHH:mm:ssZ')

@description('Where docs/runbook.md can be read by who is woken; each alert carries its page. Empty: no link.')
param runbookUrl string = ''

@description('Tags of the rules.')
param tags object = {}

var loaded = loadJsonContent('alerts.json')
var schedule = loaded.schedules[sweepInterval]
var filled = {
  Deployment: functionApp
  quiet: schedule.quiet
  lapseDays: string(lapseDays)
  oldDays: string(oldDays)
  deployedAt: deployedAt
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in loaded.alerts: {
    name: '${namePrefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Keysweep: ${alert.title}'
      description: empty(runbookUrl)
        ? alert.description
        : '${alert.description} ${runbookUrl}#${toLower(replace(alert.title, ' ', '-'))}'
      severity: alert.severity
      enabled: true
      scopes: [appInsightsId]
      // A digest is in no hurry.
      evaluationFrequency: alert.severity == 3 ? 'PT1H' : schedule.frequency
      windowSize: 'P2D'
      // The tables have no events until the first sweep reported.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          union(
            {
              query: reduce(
                items(filled),
                alert.query,
                (query, value) => replace(query, '{${value.key}}', value.value)
              )
              operator: (alert.?fewer ?? false) ? 'LessThan' : 'GreaterThan'
              dimensions: map(
                alert.?each ?? [],
                column => { name: column, operator: 'Include', values: ['*'] }
              )
              threshold: thresholds[?alert.name] ?? alert.?threshold ?? 0
              failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
            },
            contains(alert, 'measure')
              ? { timeAggregation: 'Total', metricMeasureColumn: alert.measure }
              : { timeAggregation: 'Count' },
            contains(alert, 'target') ? { resourceIdColumn: alert.target } : {}
          )
        ]
      }
      actions: {
        actionGroups: empty(actionGroupIds[?string(alert.severity)] ?? '')
          ? []
          : [actionGroupIds[string(alert.severity)]]
      }
    }
  }
]

output ids array = [for (alert, index) in loaded.alerts: rules[index].id]
output names array = [for (alert, index) in loaded.alerts: rules[index].name]
