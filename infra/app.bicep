// The Function and what it stands on, in one resource group of one subscription.
// What it may do in the tenant is in tenant.bicep; main.bicep deploys both.
targetScope = 'subscription'

@description('Names the deployment; part of every name.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Where everything is deployed: a region with Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Sets SWEEP_MODE. `audit` reports and can write nothing: its role has no write action. `enforce` turns keys off.')
@allowed(['audit', 'enforce'])
param sweepMode string

@description('Sets SWEEP_KINDS: the kinds of Cognitive Services account in scope, by comma.')
@metadata({ azd: { default: 'OpenAI,AIServices' } })
param sweepKinds string

@description('Sets AZURE_TENANT_ID: the home tenant. Subscriptions of other tenants are counted and left alone.')
@minLength(36)
@maxLength(36)
param azureTenantId string

@description('The management group that carries the role, and that is swept.')
@minLength(1)
@maxLength(90)
param managementGroupId string

@description('Sets SWEEP_MANAGEMENT_GROUPS: groups to sweep, by comma, if not all of managementGroupId. They must be below it, or the role does not reach them.')
param sweepManagementGroups string = ''

@description('Sets SWEEP_SUBSCRIPTIONS: ids of subscriptions to sweep instead of management groups, by comma.')
param sweepSubscriptions string = ''

@description('Sets SWEEP_EXCLUDE_SUBSCRIPTIONS: ids of subscriptions to count and leave alone, by comma.')
param sweepExcludeSubscriptions string = ''

@description('Sets SWEEP_SCHEDULE: NCRONTAB of six fields, seconds first, UTC.')
param sweepSchedule string = '0 */15 * * * *'

@description('Sets EXEMPTION_TAG: the tag that lets an account keep its keys.')
@minLength(1)
@maxLength(512)
param exemptionTag string = 'local-auth-exempt'

@description('Sets EXEMPTION_INHERIT: whether the tag counts on the resource group or the subscription too.')
@allowed(['false', 'true', 'resourceGroup', 'subscription', 'resourceGroup,subscription'])
param exemptionInherit string = 'false'

@description('Sets OWNER_TAGS: tags that name the owner of an account, by comma, the first counting first.')
param ownerTags string = ''

@description('Sets EXEMPTION_REQUIRE_UNTIL: hold, and report, exemptions without an end date.')
param exemptionRequireUntil bool = false

@description('Sets EXEMPTION_MAX_DAYS: hold, and report, exemptions that end later than so many days from today, or never.')
@minValue(1)
@maxValue(3650)
param exemptionMaxDays int?

@description('Sets EXEMPTION_UNREADABLE: what an exemption tag that can not be read does.')
@allowed(['hold', 'disable'])
param exemptionUnreadable string = 'hold'

@description('Sets NO_SUBDOMAIN: what to do with an account that Entra ID can not reach because it has no custom subdomain.')
@allowed(['disable', 'hold'])
param noSubdomain string = 'disable'

@description('Sets MAX_CHANGES_PER_SWEEP: more changes than this in one sweep engage the brake.')
@minValue(1)
@maxValue(100000)
param maxChangesPerSweep int = 25

@description('Sets BRAKE: over the limit, hold everything, or make that many changes a sweep.')
@allowed(['hold', 'trickle'])
param brake string = 'hold'

@description('Sets BRAKE_RELEASE_UNTIL: let everything through until this moment, such as 2027-03-31T08:00Z. Expires by itself. For the first day of enforcement.')
param brakeReleaseUntil string = ''

@description('Sets ENFORCE_FROM: until this moment `enforce` audits, and every event says when the keys will go off.')
param enforceFrom string = ''

@description('Sets ENFORCE_SCOPES: the rings, ids of management groups and subscriptions, by comma, each with `@` and a moment or without, such as `mg-dev, mg-test@2027-03-31`. Only these get the write action; empty: all of this management group.')
param enforceScopes string = ''

@description('Sets SWEEP_CONCURRENCY: how many accounts or subscriptions are worked on at once.')
@minValue(1)
@maxValue(64)
param sweepConcurrency int = 48

@description('Sets SWEEP_BUDGET_SECONDS: a sweep ends within this. At least 60 s less than functionTimeout in host.json.')
@minValue(30)
@maxValue(1440)
param sweepBudgetSeconds int = 1200

@description('Sets INVENTORY: daily tells every account once a day, those that are compliant too.')
@allowed(['off', 'daily'])
param inventory string = 'off'

@description('Sets AZURE_SDK_CLOUD_CONF. Azure Government has no Flex Consumption and is not supported.')
@allowed(['AZURE_PUBLIC_CLOUD', 'AZURE_CHINA_CLOUD'])
param azureSdkCloudConf string = 'AZURE_PUBLIC_CLOUD'

@description('Sets ARM_ENDPOINT: another Azure Resource Manager, with armScope.')
param armEndpoint string = ''

@description('Sets ARM_SCOPE: the scope of tokens for armEndpoint.')
param armScope string = ''

@description('The most that the workspace takes in a day, in GB; above it telemetry is lost and sweeps fail, loudly.')
@minValue(1)
param dailyQuotaGb int = 1

@description('How long the workspace keeps telemetry, in days, as Application Insights takes it: half a year holds a quarter, and the time to look at it.')
@allowed([30, 60, 90, 120, 180, 270, 365, 550, 730])
param retentionDays int = 180

@description('Tags of everything that is made, such as { "CostCenter": "1234" }. Policies of the company may ask for some.')
param tags object = {}

@description('The resource group. Empty: rg-keysweep-… with the environment\'s name.')
@maxLength(90)
param resourceGroupName string = ''

@description('Whether the resource group is there already: then nothing of itself is changed, its tags included. `azd down` would delete it with all that is in it, so infra/deploy refuses that.')
param resourceGroupExists bool = false

@description('Names of resources that are not to be ours, such as { "functionApp": "func-security-keys" }. infra/README.md lists them.')
param names {
  functionApp: string?
  plan: string?
  identity: string?
  storageAccount: string?
  workspace: string?
  applicationInsights: string?
  alerts: string?
  virtualNetwork: string?
  functionSubnet: string?
  endpointSubnet: string?
  functionSecurityGroup: string?
  endpointSecurityGroup: string?
  blobEndpoint: string?
  siteEndpoint: string?
} = {}

@description('A Log Analytics workspace that is there already, by its resource id. Empty: one is made. Its daily quota, its retention and whether it takes keys are the company\'s then.')
param workspaceId string = ''

@description('`public` closes storage and app by Entra ID alone. `private` has storage and app at private endpoints in a virtual network, and nothing at public ones; packages are uploaded from there.')
@allowed(['public', 'private'])
param network string = 'public'

@description('For `private`: a subnet that is there already, delegated to Microsoft.App/environments, by its resource id. With endpointSubnetId. Both empty: a virtual network is made.')
param functionSubnetId string = ''

@description('For `private`: a subnet that is there already, for private endpoints, by its resource id.')
param endpointSubnetId string = ''

@description('With subnets that are there already: the private DNS zone privatelink.blob.… by its resource id. With sitesDnsZoneId. Both empty: a policy of the company writes the records, as Azure landing zones do.')
param blobDnsZoneId string = ''

@description('With subnets that are there already: the private DNS zone privatelink.azurewebsites.net by its resource id.')
param sitesDnsZoneId string = ''

@description('For a virtual network that is made: its addresses, a /26 or larger.')
param addressSpace string = '10.90.0.0/26'

@description('`private` closes Application Insights and the workspace at their public endpoints. The Azure Monitor Private Link Scope that it needs is the company\'s, and has to hold both first.')
@allowed(['public', 'private'])
param telemetryNetwork string = 'public'

@description('How storage is kept: in three zones, where the region has them, or in one place. Only a new account takes it.')
@allowed(['Standard_ZRS', 'Standard_LRS'])
param storageSku string = 'Standard_ZRS'

@description('The action group that alerts call, by its resource id, for each severity without one of its own. Empty: alerts are seen in the portal only.')
param alertActionGroupId string = ''

@description('The action group for alerts of severity 1, which call at night.')
param alertActionGroupIdSeverity1 string = ''

@description('The action group for alerts of severity 2, which can wait until the morning.')
param alertActionGroupIdSeverity2 string = ''

@description('The action group for alerts of severity 3: digests by subscription.')
param alertActionGroupIdSeverity3 string = ''

@description('How far apart two sweeps of sweepSchedule are at most: what alerts count in. infra/deploy checks it.')
@allowed(['PT15M', 'PT30M', 'PT1H', 'PT2H', 'PT3H', 'PT4H', 'PT6H', 'PT8H', 'PT12H', 'P1D'])
param alertSweepInterval string = 'PT15M'

@description('More accounts adrift than this in a sweep call somebody, once enforcement has been in force for a day. Those that a lock or a policy keeps so do not count.')
@minValue(0)
param alertDriftThreshold int = 10

@description('How many days before an exemption lapses somebody is told.')
@minValue(1)
@maxValue(90)
param alertLapseDays int = 14

@description('How many days a drift may be open before somebody is called, once enforcement has been in force for a day.')
@minValue(2)
@maxValue(90)
param alertOldDriftDays int = 7

@description('Where docs/runbook.md can be read by who is called; each alert links to its page. Empty: no link.')
param alertRunbookUrl string = ''

@description('When this is deployed, in UTC. Alerts give a day from then to what never reported, and to enforcement where they see no sweep that is older than a day.')
param deployedAt string = utcNow('yyyy-MM-ddTHH:mm:ssZ')

// azd finds what is its own by the last.
var allTags = union({ application: 'keysweep' }, tags, { 'azd-env-name': environmentName })
var suffix = uniqueString(subscription().id, environmentName, location)
// Telemetry carries it, and the alerts look for it.
var appName = names.?functionApp ?? 'func-keysweep-${suffix}'
var groupName = empty(resourceGroupName) ? 'rg-keysweep-${environmentName}' : resourceGroupName
// In a group that others have, another Keysweep may have its rules.
var alertPrefix = names.?alerts ?? (resourceGroupExists ? 'keysweep-${environmentName}' : 'keysweep')
var makesNetwork = network == 'private' && empty(functionSubnetId)

// Who is called, by severity.
var actionGroupIds = {
  '1': empty(alertActionGroupIdSeverity1) ? alertActionGroupId : alertActionGroupIdSeverity1
  '2': empty(alertActionGroupIdSeverity2) ? alertActionGroupId : alertActionGroupIdSeverity2
  '3': empty(alertActionGroupIdSeverity3) ? alertActionGroupId : alertActionGroupIdSeverity3
}

// Every product setting but the two that come from resources made here: AZURE_CLIENT_ID and
// APPLICATIONINSIGHTS_CONNECTION_STRING. An empty value counts as absent.
var productSettings = {
  SWEEP_SCHEDULE: sweepSchedule
  SWEEP_MODE: sweepMode
  SWEEP_MANAGEMENT_GROUPS: empty(sweepManagementGroups) && empty(sweepSubscriptions)
    ? managementGroupId
    : sweepManagementGroups
  SWEEP_SUBSCRIPTIONS: sweepSubscriptions
  SWEEP_EXCLUDE_SUBSCRIPTIONS: sweepExcludeSubscriptions
  SWEEP_KINDS: sweepKinds
  EXEMPTION_TAG: exemptionTag
  EXEMPTION_INHERIT: exemptionInherit
  EXEMPTION_REQUIRE_UNTIL: toLower(string(exemptionRequireUntil))
  EXEMPTION_MAX_DAYS: exemptionMaxDays == null ? '' : string(exemptionMaxDays)
  EXEMPTION_UNREADABLE: exemptionUnreadable
  NO_SUBDOMAIN: noSubdomain
  OWNER_TAGS: ownerTags
  MAX_CHANGES_PER_SWEEP: string(maxChangesPerSweep)
  BRAKE: brake
  BRAKE_RELEASE_UNTIL: brakeReleaseUntil
  ENFORCE_FROM: enforceFrom
  ENFORCE_SCOPES: enforceScopes
  SWEEP_CONCURRENCY: string(sweepConcurrency)
  SWEEP_BUDGET_SECONDS: string(sweepBudgetSeconds)
  INVENTORY: inventory
  AZURE_TENANT_ID: azureTenantId
  AZURE_SDK_CLOUD_CONF: azureSdkCloudConf
  ARM_ENDPOINT: armEndpoint
  ARM_SCOPE: armScope
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = if (!resourceGroupExists) {
  name: groupName
  location: location
  tags: allTags
}

module monitoring 'monitoring.bicep' = {
  scope: resourceGroup(groupName)
  dependsOn: [group]
  params: {
    location: location
    tags: allTags
    suffix: suffix
    dailyQuotaGb: dailyQuotaGb
    retentionDays: retentionDays
    names: names
    workspaceId: workspaceId
    telemetryNetwork: telemetryNetwork
  }
}

module workbook 'workbook.bicep' = {
  scope: resourceGroup(groupName)
  dependsOn: [group]
  params: {
    location: location
    tags: allTags
    appInsightsId: monitoring.outputs.componentId
  }
}

module alerts 'alerts.bicep' = {
  scope: resourceGroup(groupName)
  dependsOn: [group]
  params: {
    location: location
    tags: allTags
    appInsightsId: monitoring.outputs.componentId
    functionApp: appName
    namePrefix: alertPrefix
    sweepInterval: alertSweepInterval
    actionGroupIds: actionGroupIds
    thresholds: { 'drift-high': alertDriftThreshold }
    lapseDays: alertLapseDays
    oldDays: alertOldDriftDays
    deployedAt: deployedAt
    runbookUrl: alertRunbookUrl
  }
}

module virtualNetwork 'network.bicep' = if (makesNetwork) {
  scope: resourceGroup(groupName)
  dependsOn: [group]
  params: {
    location: location
    tags: allTags
    suffix: suffix
    names: names
    addressSpace: addressSpace
  }
}

module function 'function.bicep' = {
  scope: resourceGroup(groupName)
  dependsOn: [group]
  params: {
    location: location
    tags: allTags
    suffix: suffix
    appName: appName
    componentName: monitoring.outputs.componentName
    productSettings: productSettings
    names: names
    storageSku: storageSku
    subnets: makesNetwork
      ? {
          function: virtualNetwork!.outputs.functionSubnetId
          endpoints: virtualNetwork!.outputs.endpointSubnetId
        }
      : {
          function: network == 'private' ? functionSubnetId : ''
          endpoints: network == 'private' ? endpointSubnetId : ''
        }
    dnsZones: makesNetwork
      ? {
          blob: virtualNetwork!.outputs.blobDnsZoneId
          sites: virtualNetwork!.outputs.sitesDnsZoneId
        }
      : { blob: blobDnsZoneId, sites: sitesDnsZoneId }
  }
}

// After the function, so that the first deployment does not call by itself.
module changes 'changes.bicep' = {
  scope: resourceGroup(groupName)
  params: {
    // A resource group that was there before has others' resources, too.
    watchedIds: resourceGroupExists ? concat(function.outputs.watchedIds, alerts.outputs.ids) : []
    tags: allTags
    namePrefix: alertPrefix
    actionGroupIds: actionGroupIds
    runbookUrl: alertRunbookUrl
  }
}

@description('What the role is assigned to: the principalId of tenant.bicep.')
output PRINCIPAL_ID string = function.outputs.principalId

@description('The group at which tenant.bicep is deployed.')
output MANAGEMENT_GROUP_ID string = managementGroupId

@description('The Function App: where the package goes.')
output FUNCTION_APP_NAME string = function.outputs.appName

@description('The resource group that holds all of it: what removal deletes.')
output RESOURCE_GROUP string = groupName

@description('Where to look at what the sweeps report.')
output COMPONENT_ID string = monitoring.outputs.componentId

@description('How to stop it in seconds.')
output STOP_COMMAND string = 'az functionapp stop --subscription ${subscription().subscriptionId} --resource-group ${groupName} --name ${function.outputs.appName}'
