// The Function App, its identity, its storage and its plan. No key anywhere: storage, ingestion and
// package upload all take Entra ID tokens alone.

param location string
param tags object
param suffix string

@description('The name of the Function App.')
param appName string

@description('The Application Insights component, in this resource group.')
param componentName string

@description('App settings that the product reads, by name.')
param productSettings object

@description('Names that are not ours, as in app.bicep.')
param names object

@description('How often storage is kept: Standard_LRS, or Standard_ZRS in three zones.')
param storageSku string

@description('The subnets, delegated to Flex Consumption and for private endpoints, and the DNS zones of a private deployment, by their ids; empty for a public one. Zones may be empty: then records are not ours to write.')
param subnets { function: string, endpoints: string }
param dnsZones { blob: string, sites: string }

var packageContainer = 'package'
var isPrivate = !empty(subnets.endpoints)
var publicAccess = isPrivate ? 'Disabled' : 'Enabled'
// Built-in roles, by their ids in every tenant.
var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

// User-assigned: its roles can be there before the app is, and outlive it.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.?identity ?? 'id-keysweep-${suffix}'
  location: location
  tags: tags
}

// Holds the package, the timer's lock and its last run. Nothing else.
resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: names.?storageAccount ?? 'stkeysweep${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: storageSku }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Blobs come from this tenant alone, and a signature for one ends within a day.
    allowedCopyScope: 'AAD'
    sasPolicy: { sasExpirationPeriod: '1.00:00:00', expirationAction: 'Block' }
    // Twice, by two layers, with keys of the account; only a new account takes these.
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: { enabled: true, keyType: 'Account' }
        file: { enabled: true, keyType: 'Account' }
        queue: { enabled: true, keyType: 'Account' }
        table: { enabled: true, keyType: 'Account' }
      }
    }
    // Flex Consumption without a network of its own reaches storage at its public endpoint.
    publicNetworkAccess: publicAccess
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow', bypass: 'None' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
      // What a package was before somebody wrote over it: to compare it, and to put it back.
      isVersioningEnabled: true
    }

    resource package 'containers' = {
      name: packageContainer
      properties: { publicAccess: 'None' }
    }
  }
}

// The timer writes its last run each time, so versions would become ever more.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: storage
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-versions'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'] }
            actions: { version: { delete: { daysAfterCreationGreaterThan: 30 } } }
          }
        }
      ]
    }
  }
  dependsOn: [storage::blobs]
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: names.?plan ?? 'plan-keysweep-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'sweep' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // The deployment endpoint needs it; the main site is closed below. Where there is a network,
    // packages come from there.
    publicNetworkAccess: publicAccess
    virtualNetworkSubnetId: isPrivate ? subnets.function : null
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      // One timer runs at one instance; 40 is the least that Flex Consumption takes.
      scaleAndConcurrency: { instanceMemoryMB: 512, maximumInstanceCount: 40 }
    }
    siteConfig: {
      publicNetworkAccess: publicAccess
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      // Nobody calls a timer. Packages come to the other site, with Entra ID tokens.
      ipSecurityRestrictionsDefaultAction: 'Deny'
      scmIpSecurityRestrictionsDefaultAction: 'Allow'
      scmIpSecurityRestrictionsUseMain: false
    }
  }
  // Reads its package as soon as it is there.
  dependsOn: [storage::blobs::package, blobOwner, blobEndpoint]

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(productSettings, {
      AZURE_CLIENT_ID: identity.properties.clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identity.properties.clientId}'
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      // The host's telemetry whole, under the app's name, and no traffic that Keysweep doesn't need.
      OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
      OTEL_TRACES_SAMPLER_ARG: '1.0'
      OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: 'azure_functions'
      APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
      APPLICATIONINSIGHTS_SDKSTATS_DISABLED: 'true'
      APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED: 'true'
    })
    dependsOn: [metricsPublisher]
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

// The host keeps a timer's lock and the package in blobs. It uses queues and tables for other
// triggers, and has no address and no role for them (AzureWebJobsStorage__blobServiceUri alone).
module blobEndpoint 'endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    tags: tags
    name: names.?blobEndpoint ?? 'pe-keysweep-blob-${suffix}'
    subnetId: subnets.endpoints
    targetId: storage.id
    part: 'blob'
    zoneId: dnsZones.blob
  }
}

// For packages: the deployment endpoint is part of the site.
module siteEndpoint 'endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    tags: tags
    name: names.?siteEndpoint ?? 'pe-keysweep-site-${suffix}'
    subnetId: subnets.endpoints
    targetId: app.id
    part: 'sites'
    zoneId: dnsZones.sites
  }
}

// The host asks for this role, and the timer's lock and the package need no other.
resource blobOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      storageBlobDataOwner
    )
  }
}

resource metricsPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, identity.id, monitoringMetricsPublisher)
  scope: component
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      monitoringMetricsPublisher
    )
  }
}

output principalId string = identity.properties.principalId
output appName string = app.name
@description('What whoever would become Keysweep has to change.')
output watchedIds array = [app.id, identity.id, storage.id]
