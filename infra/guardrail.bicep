// The guardrail: an Azure Policy with the Function's kinds and tag, so that new accounts with keys
// are stopped at the door. It judges the account as it would be after the request: the Function's own
// PATCH results in disableLocalAuth true, which no effect here refuses. Policy can't judge the date
// in a tag; the Function does.
targetScope = 'managementGroup'

@allowed(['audit', 'deny', 'modify'])
param effect string
param location string
// Tells this deployment from others at the group, as in tenant.bicep.
param installation string
param kinds string[]
param excludedSubscriptions string[]
param exemptionTag string

var displayName = 'Azure OpenAI accounts have local auth off, unless a tag exempts them (Keysweep ${installation})'
var description = 'Keysweep turns local auth off where it is still on; this stops new accounts with keys at the door.'

// Both rules are literal, the same condition written twice (a test compares them): what stands in a
// policyRule is policy's own language, and the deployment engine does not reliably resolve template
// expressions there (seen in `bicep snapshot`). An explicit no in the tag is no exemption: the four
// words are those of shared/core/exemption.py.

resource judge 'Microsoft.Authorization/policyDefinitions@2025-03-01' = if (effect != 'modify') {
  name: 'keysweep-${installation}'
  properties: {
    displayName: displayName
    description: description
    policyType: 'Custom'
    mode: 'Indexed'
    metadata: { category: 'Cognitive Services', version: '1.0.0' }
    parameters: {
      effect: { type: 'String', allowedValues: ['audit', 'deny', 'disabled'] }
      kinds: { type: 'Array', metadata: { displayName: 'Kinds of account' } }
      exemptionTag: { type: 'String', metadata: { displayName: 'Name of the exemption tag' } }
    }
    policyRule: {
      if: {
        allOf: [
          { field: 'type', equals: 'Microsoft.CognitiveServices/accounts' }
          { field: 'kind', in: '[parameters(\'kinds\')]' }
          { field: 'Microsoft.CognitiveServices/accounts/disableLocalAuth', notEquals: true }
          {
            anyOf: [
              { field: '[concat(\'tags[\', parameters(\'exemptionTag\'), \']\')]', exists: false }
              {
                field: '[concat(\'tags[\', parameters(\'exemptionTag\'), \']\')]'
                in: ['false', 'no', 'off', '0']
              }
            ]
          }
        ]
      }
      then: { effect: '[parameters(\'effect\')]' }
    }
  }
}

resource mend 'Microsoft.Authorization/policyDefinitions@2025-03-01' = if (effect == 'modify') {
  name: 'keysweep-${installation}-modify'
  properties: {
    displayName: displayName
    description: description
    policyType: 'Custom'
    mode: 'Indexed'
    metadata: { category: 'Cognitive Services', version: '1.0.0' }
    parameters: {
      kinds: { type: 'Array', metadata: { displayName: 'Kinds of account' } }
      exemptionTag: { type: 'String', metadata: { displayName: 'Name of the exemption tag' } }
    }
    policyRule: {
      if: {
        allOf: [
          { field: 'type', equals: 'Microsoft.CognitiveServices/accounts' }
          { field: 'kind', in: '[parameters(\'kinds\')]' }
          { field: 'Microsoft.CognitiveServices/accounts/disableLocalAuth', notEquals: true }
          {
            anyOf: [
              { field: '[concat(\'tags[\', parameters(\'exemptionTag\'), \']\')]', exists: false }
              {
                field: '[concat(\'tags[\', parameters(\'exemptionTag\'), \']\')]'
                in: ['false', 'no', 'off', '0']
              }
            ]
          }
        ]
      }
      then: {
        effect: 'modify'
        details: {
          // Cognitive Services Contributor: Azure wants to know what a remediation task would need.
          // None is assigned, since the Function mends what exists.
          roleDefinitionIds: [
            '/providers/Microsoft.Authorization/roleDefinitions/25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68'
          ]
          conflictEffect: 'audit'
          operations: [
            {
              // Older API versions don't know the property.
              condition: '[greaterOrEquals(requestContext().apiVersion, \'2021-04-30\')]'
              operation: 'addOrReplace'
              field: 'Microsoft.CognitiveServices/accounts/disableLocalAuth'
              value: true
            }
          ]
        }
      }
    }
  }
}

resource assignment 'Microsoft.Authorization/policyAssignments@2025-03-01' = {
  // At a management group, 24 characters at most.
  name: 'keysweep-${uniqueString(toLower(managementGroup().id), installation, effect == 'modify' ? 'mend' : 'judge')}'
  location: effect == 'modify' ? location : null
  identity: effect == 'modify' ? { type: 'SystemAssigned' } : null
  properties: {
    displayName: displayName
    policyDefinitionId: effect == 'modify' ? mend.id : judge.id
    notScopes: map(excludedSubscriptions, id => '/subscriptions/${id}')
    nonComplianceMessages: [
      {
        message: 'Local auth (API keys) must be off: set disableLocalAuth to true, or tag the account ${exemptionTag}.'
      }
    ]
    parameters: union(
      { kinds: { value: kinds }, exemptionTag: { value: exemptionTag } },
      effect == 'modify' ? {} : { effect: { value: effect } }
    )
  }
}
