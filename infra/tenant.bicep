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

@description('The subscription that holds the Function. With the name and the region it tells this deployment from others at this group.')
@minLength(36)
@maxLength(36)
param subscriptionId string

@description('Where the Function is, and the policy assignment\'s identity, if the guardrail modifies.')
param location string

@description('As in app.bicep: only `enforce` gets the role that can write.')
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

@description('As in app.bicep: the rings. Only these get the role that can write; empty: all of this group.')
param enforceScopes string = ''

@description('As in app.bicep: groups to sweep, by comma. Tells a group from a subscription where its id looks like one.')
param sweepManagementGroups string = ''

@description('As in app.bicep: tags of resource groups need an action more.')
param ownerTags string = ''

@description('The Azure Policy that stops new accounts with keys at the door.')
@allowed(['off', 'audit', 'deny', 'modify'])
param guardrail string = 'off'

// Tells this deployment from any other at this group. Names of roles are the tenant's, and names of
// policies this group's: one that two deployments had would be the last one's, and go with the first.
// infra/deploy knows it, too, since by these names it finds what to take away.
var installation = '${environmentName}-${toLower(replace(location, ' ', ''))}-${toLower(take(subscriptionId, 8))}'

// Azure Resource Manager takes allowed values in any letter case.
var enforces = toLower(sweepMode) == 'enforce'
var readsGroups = !empty(ownerTags) || contains(
  ['true', 'resourcegroup', 'resourcegroup,subscription'],
  toLower(exemptionInherit)
)
// The one list of actions, which docs/security-model.md shows and the tests compare with what a sweep uses.
var actions = loadJsonContent('role-actions.json', 'actions')
var reads = filter(
  actions,
  action => (action.?only ?? 'groups') == 'groups' && (readsGroups || !contains(action, 'only'))
)
// In audit mode the second role has nothing to write with, wherever it may still be assigned.
var writes = filter(
  actions,
  action =>
    enforces
      ? action.?only == 'enforce'
      : action.name == 'Microsoft.CognitiveServices/accounts/read'
)

// The rings, told apart as the Function does it (settings.py): a guid is a subscription's, but for
// the tenant's root group and for groups that are swept.
var rings = filter(
  map(split(enforceScopes, ','), ring => toLower(trim(first(split(ring, '@'))))),
  ring => !empty(ring)
)
// 8, 4, 4, 4 and 12 digits, and nothing else: a group may have an id that is nearly a guid.
var guids = filter(
  rings,
  ring =>
    join(map(split(ring, '-'), part => string(length(part))), '-') == '8-4-4-4-12' && empty(filter(
      range(0, length(ring)),
      place => !contains('0123456789abcdef-', substring(ring, place, 1))
    ))
)
var knownGroups = concat(
  map(split(sweepManagementGroups, ','), group => toLower(trim(group))),
  [tenant().tenantId, toLower(managementGroup().name)]
)
var groups = union(
  filter(rings, ring => contains(knownGroups, ring) || !contains(guids, ring)),
  empty(rings) ? [managementGroup().name] : []
)
var subscriptions = union(
  filter(rings, ring => !contains(knownGroups, ring) && contains(guids, ring)),
  []
)

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(toLower(managementGroup().id), 'keysweep', installation, toLower(subscriptionId))
  properties: {
    roleName: 'Keysweep ${installation} (${managementGroup().name})'
    description: 'Finds Azure OpenAI accounts that accept API keys; reads only.'
    type: 'CustomRole'
    assignableScopes: [managementGroup().id]
    permissions: [{ actions: map(reads, action => action.name), notActions: [] }]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  // The principal is part of the name: an identity made anew gets an assignment of its own.
  name: guid(toLower(managementGroup().id), principalId, role.name)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: role.id
  }
}

// Beside the other one, so that it can be given for the rings alone.
resource writer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(
    toLower(managementGroup().id),
    'keysweep',
    installation,
    toLower(subscriptionId),
    'writes'
  )
  properties: {
    roleName: 'Keysweep ${installation} writes (${managementGroup().name})'
    description: enforces
      ? 'Turns local auth off for Azure OpenAI accounts.'
      : 'Reads Azure OpenAI accounts: this deployment audits.'
    type: 'CustomRole'
    assignableScopes: [managementGroup().id]
    permissions: [{ actions: map(writes, action => action.name), notActions: [] }]
  }
}

// The history of deployments keeps where one of a name was started, and refuses another region.
module writesInGroup 'writes-in-group.bicep' = [
  for group in (enforces ? groups : []): {
    name: 'keysweep-writes-${environmentName}-${uniqueString(group, installation, deployment().location)}'
    scope: managementGroup(group)
    params: { principalId: principalId, roleId: writer.id }
  }
]

module writesInSubscription 'writes-in-subscription.bicep' = [
  for id in (enforces ? subscriptions : []): {
    name: 'keysweep-writes-${environmentName}-${uniqueString(id, installation, deployment().location)}'
    scope: subscription(id)
    params: { principalId: principalId, roleId: writer.id }
  }
]

module policy 'guardrail.bicep' = if (guardrail != 'off') {
  name: 'keysweep-guardrail-${environmentName}-${uniqueString(installation, deployment().location)}'
  params: {
    // The condition above takes `off` away, which the compiler does not see.
    effect: any(guardrail)
    location: location
    installation: installation
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

@description('Where the role that can write is assigned. By it infra/deploy sees what to take away when a ring is no more.')
output WRITE_SCOPES array = enforces
  ? concat(
      map(groups, group => '/providers/Microsoft.Management/managementGroups/${group}'),
      map(subscriptions, id => '/subscriptions/${id}')
    )
  : []
