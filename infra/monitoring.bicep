// Where telemetry goes: both with keys off, written to with Entra ID alone.

param location string
param tags object
param suffix string
param dailyQuotaGb int
param retentionDays int

@description('Names that are not ours, as in app.bicep.')
param names object

@description('A workspace of the company\'s, by its resource id. Empty: one is made.')
param workspaceId string

@description('Whether telemetry is sent and asked for over public endpoints. `private` needs an Azure Monitor Private Link Scope, which is the company\'s.')
@allowed(['public', 'private'])
param telemetryNetwork string

var access = telemetryNetwork == 'private' ? 'Disabled' : 'Enabled'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(workspaceId)) {
  name: names.?workspace ?? 'log-keysweep-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGb }
    publicNetworkAccessForIngestion: access
    publicNetworkAccessForQuery: access
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: names.?applicationInsights ?? 'appi-keysweep-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: empty(workspaceId) ? workspace.id : workspaceId
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    RetentionInDays: retentionDays
    publicNetworkAccessForIngestion: access
    publicNetworkAccessForQuery: access
  }
}

output componentName string = component.name
output componentId string = component.id
