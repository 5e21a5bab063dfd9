// A virtual network for Keysweep alone, where the company gives no subnets: one for the Function,
// one for its private endpoints, and the two DNS zones in which these are found.
//
// Nothing here gives the Function a way out to Azure's public endpoints: without routes of the
// company's, that traffic leaves from the app's own addresses (learn.microsoft.com, "Azure Functions
// networking options"), and a delegated subnet is never a private one ("Default outbound access in
// Azure"). Read in 2026-11; nobody here could try it.

param location string
param tags object
param suffix string

@description('Names that are not ours, as in app.bicep.')
param names object

@description('Its addresses: 64 of them or more, which nothing that it is ever peered with uses.')
param addressSpace string

var name = names.?virtualNetwork ?? 'vnet-keysweep-${suffix}'
// Flex Consumption takes no underscore in the name of a subnet.
var functionSubnet = names.?functionSubnet ?? 'function'
var endpointSubnet = names.?endpointSubnet ?? 'endpoints'
// At most 27 addresses of a subnet are used by Flex Consumption, whatever runs there: /27 is what its
// documentation asks for. The same again is plenty for two endpoints.
var size = 27
// App Service's own name of the cloud is no part of environment().
var sites = environment().name == 'AzureChinaCloud' ? 'chinacloudsites.cn' : 'azurewebsites.net'
var zones = ['privatelink.blob.${environment().suffixes.storage}', 'privatelink.${sites}']

// Both have Azure's own rules alone: whatever is in the network, and nothing from outside it.
resource functionRules 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: names.?functionSecurityGroup ?? 'nsg-keysweep-function-${suffix}'
  location: location
  tags: tags
}

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: names.?endpointSecurityGroup ?? 'nsg-keysweep-endpoints-${suffix}'
  location: location
  tags: tags
}

// The subnets stand in it, not beside it: a policy looks for the security groups there.
resource virtualNetwork 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [
      {
        name: functionSubnet
        properties: {
          addressPrefix: cidrSubnet(addressSpace, size, 0)
          networkSecurityGroup: { id: functionRules.id }
          delegations: [
            { name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      {
        name: endpointSubnet
        properties: {
          addressPrefix: cidrSubnet(addressSpace, size, 1)
          networkSecurityGroup: { id: endpointRules.id }
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
        }
      }
    ]
  }
}

resource dnsZone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zones: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (_, index) in zones: {
    parent: dnsZone[index]
    name: name
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: virtualNetwork.id } }
  }
]

@description('The subnet of the Function.')
output functionSubnetId string = '${virtualNetwork.id}/subnets/${functionSubnet}'

@description('The subnet of the private endpoints.')
output endpointSubnetId string = '${virtualNetwork.id}/subnets/${endpointSubnet}'

@description('The zone in which the storage account is found.')
output blobDnsZoneId string = dnsZone[0].id

@description('The zone in which the Function App is found.')
output sitesDnsZoneId string = dnsZone[1].id
