// What the identity may do in the tenant, and the guardrail. Deployed at the management group that
// is swept: whoever runs this needs Owner, or User Access Administrator and (for the guardrail)
// Resource Policy Contributor, there.
targetScope = 'managementGroup'

@description('The object id of the Function\'s identity: PRINCIPAL_ID, an output of app.bicep.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Names the deployment; part of every name.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Where the policy assignment\'s identity lives, if the guardrail modifies.')
param location string

@description('As in app.bicep: only `enforce` gets a role that can write.')
@allowed(['audit', 'enforce'])
param sweepMode string

@description('As in app.bicep: the kinds that the guardrail judges, by comma.')
param sweepKinds string

@description('As in app.bicep: subscriptions that the guardrail leaves alone, by comma.')
param sweepExcludeSubscriptions string = ''

@description('As in app.bicep: the tag that the guardrail honours.')
param exemptionTag string = 'local-auth-exempt'

@description('As in app.bicep: tags of resource groups need an action more.')
@allowed(['false', 'true', 'resourceGroup', 'subscription', 'resourceGroup,subscription'])
param exemptionInherit string = 'false'

@description('As in app.bicep: tags of resource groups need an action more.')
param ownerTags string = ''

@description('The Azure Policy that stops new accounts with keys at the door.')
@allowed(['off', 'audit', 'deny', 'modify'])
param guardrail string = 'off'

// Azure Resource Manager takes allowed values in any letter case.
var asked = {
  enforce: toLower(sweepMode) == 'enforce'
  groups: !empty(ownerTags) || contains(
    ['true', 'resourcegroup', 'resourcegroup,subscription'],
    toLower(exemptionInherit)
  )
}
// The one list of actions, which the README shows and the tests compare with what a sweep uses.
var actions = filter(
  loadJsonContent('role-actions.json', 'actions'),
  action => asked[?action.?only ?? ''] ?? true
)

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(managementGroup().id, 'keysweep', environmentName)
  properties: {
    roleName: 'Keysweep ${environmentName} (${managementGroup().name})'
    description: 'Finds Azure OpenAI accounts that accept API keys${asked.enforce ? ' and turns local auth off' : '; reads only'}.'
    type: 'CustomRole'
    assignableScopes: [managementGroup().id]
    permissions: [{ actions: map(actions, action => action.name), notActions: [] }]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  // The principal is part of the name: an identity made anew gets an assignment of its own.
  name: guid(managementGroup().id, principalId, role.name)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: role.id
  }
}

module policy 'guardrail.bicep' = if (guardrail != 'off') {
  name: 'keysweep-guardrail-${environmentName}'
  params: {
    // The condition above takes `off` away, which the compiler does not see.
    effect: any(guardrail)
    location: location
    environmentName: environmentName
    // `other:` before a kind tells the Function alone that it is newer than the Function's list.
    kinds: filter(
      map(split(sweepKinds, ','), kind => trim(last(split(kind, ':')))),
      kind => !empty(kind)
    )
    excludedSubscriptions: filter(
      map(split(sweepExcludeSubscriptions, ','), id => trim(id)),
      id => !empty(id)
    )
    exemptionTag: exemptionTag
  }
}

@description('The custom role: what a reviewer looks at.')
output ROLE_ID string = role.id
