// The role that can write, in one ring.
targetScope = 'subscription'

param principalId string

@description('The role, which the swept management group has.')
param roleId string

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  // The principal is part of the name: an identity made anew gets an assignment of its own.
  name: guid(toLower(subscription().id), principalId, roleId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleId
  }
}
