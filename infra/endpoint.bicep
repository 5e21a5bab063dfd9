// A private endpoint: one address in a subnet at which one part of one resource is reached.

param location string
param tags object

@description('Its name; its network interface has the same with `-nic` behind it.')
param name string

@description('The subnet that it is in.')
param subnetId string

@description('The resource that is reached.')
param targetId string

@description('Which part of the resource: `blob` of a storage account, `sites` of a Function App.')
param part string

@description('The private DNS zone that gets its record. Empty: a policy of the company, or a person, writes the record.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: '${name}-nic'
    privateLinkServiceConnections: [
      { name: name, properties: { privateLinkServiceId: targetId, groupIds: [part] } }
    ]
  }

  resource records 'privateDnsZoneGroups' = if (!empty(zoneId)) {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [{ name: part, properties: { privateDnsZoneId: zoneId } }]
    }
  }
}
