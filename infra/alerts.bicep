// The alerts of alerts.yaml: what wakes somebody, and when.

@description('The Application Insights resource that Keysweep reports to.')
param appInsightsId string

@description('Where the rules are: the region of the Application Insights resource.')
param location string

@description('The action group to call. Empty: alerts are seen in the portal only.')
param actionGroupId string = ''

@description('Begins the name of each rule.')
param namePrefix string = 'keysweep'

@description('Thresholds that are not those of alerts.yaml, by name of the alert, such as { "drift-high": 50 }.')
param thresholds object = {}

@description('Windows that are not those of alerts.yaml, by name of the alert. `no-sweep` should be four schedules: PT1H fits a sweep every 15 minutes.')
param windows object = {}

@description('How many days before an exemption lapses somebody is told.')
@minValue(1)
@maxValue(90)
param lapseDays int = 14

@description('Where docs/runbook.md can be read by who is woken; each alert carries its page. Empty: no link.')
param runbookUrl string = ''

@description('Tags of the rules.')
param tags object = {}

var alerts = loadYamlContent('alerts.yaml')

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
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
      evaluationFrequency: alert.frequency
      windowSize: windows[?alert.name] ?? alert.window
      // The tables have no events until the first sweep reported.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: replace(alert.query, '{lapseDays}', string(lapseDays))
            timeAggregation: 'Count'
            operator: (alert.?fewer ?? false) ? 'LessThan' : 'GreaterThan'
            dimensions: contains(alert, 'each')
              ? [{ name: alert.each, operator: 'Include', values: ['*'] }]
              : []
            threshold: thresholds[?alert.name] ?? alert.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: empty(actionGroupId) ? [] : [actionGroupId]
      }
    }
  }
]

output names array = [for (alert, index) in alerts: rules[index].name]
