// Every parameter set, to something that is not its default.
using '../../../infra/main.bicep'

param environmentName = 'everything'
param location = 'swedencentral'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'enforce'
param sweepKinds = 'OpenAI, AIServices, Other: Foundry.Next'
param sweepManagementGroups = 'contoso-corp,contoso-online'
param sweepSubscriptions = ''
param sweepExcludeSubscriptions = '33333333-3333-3333-3333-333333333333, 44444444-4444-4444-4444-444444444444'
param sweepSchedule = '0 7 */2 * * *'
param exemptionTag = 'keys-allowed'
param exemptionInherit = 'resourceGroup,subscription'
param exemptionRequireUntil = true
param exemptionMaxDays = 180
param exemptionUnreadable = 'disable'
param noSubdomain = 'hold'
param ownerTags = 'owner,contact'
param maxChangesPerSweep = 100
param brake = 'trickle'
param brakeReleaseUntil = '2027-03-31T08:00Z'
param enforceFrom = '2027-03-01'
param enforceScopes = 'contoso-dev, Contoso-Test@2027-01-15, 55555555-5555-5555-5555-555555555555@2027-03-01T08:00Z, ABCDEF01-2345-6789-abcd-EF0123456789, gggggggg-5555-5555-5555-555555555555, 5555555-55555-5555-5555-555555555555'
param sweepConcurrency = 16
param sweepBudgetSeconds = 900
param inventory = 'daily'
param azureSdkCloudConf = 'AZURE_CHINA_CLOUD'
param armEndpoint = 'https://management.example.com'
param armScope = 'https://management.example.com/.default'
param dailyQuotaGb = 5
param retentionDays = 365
param tags = { CostCenter: '1234', application: 'key-hygiene' }
param resourceGroupName = 'rg-security-tools'
param resourceGroupExists = true
param names = {
  functionApp: 'func-security-keys'
  plan: 'plan-security-keys'
  identity: 'id-security-keys'
  storageAccount: 'stsecuritykeys'
  applicationInsights: 'appi-security-keys'
  alerts: 'security-keys'
  blobEndpoint: 'pe-security-keys-blob'
  siteEndpoint: 'pe-security-keys-site'
}
param workspaceId = '/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/rg-management/providers/Microsoft.OperationalInsights/workspaces/log-management'
param network = 'private'
param functionSubnetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/functions'
param endpointSubnetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/endpoints'
param blobDnsZoneId = '/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.chinacloudapi.cn'
param sitesDnsZoneId = '/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.chinacloudsites.cn'
param telemetryNetwork = 'private'
param storageSku = 'Standard_LRS'
param alertActionGroupId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-calls/providers/Microsoft.Insights/actionGroups/on-call'
param alertActionGroupIdSeverity1 = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-calls/providers/Microsoft.Insights/actionGroups/at-night'
param alertSweepInterval = 'PT2H'
param alertOldDriftDays = 14
param alertDriftThreshold = 50
param alertLapseDays = 30
param alertRunbookUrl = 'https://wiki.contoso.com/keysweep/runbook'
param guardrail = 'modify'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
