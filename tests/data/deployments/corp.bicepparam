// In a corp landing zone: the company's subnets, the records in DNS left to its policy, a tag that it
// asks for, enforcement and the guardrail.
using '../../../infra/main.bicep'

param environmentName = 'corp'
param location = 'westeurope'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'enforce'
param sweepKinds = 'OpenAI,AIServices'
param guardrail = 'deny'
param tags = { CostCenter: '1234' }
param network = 'private'
param functionSubnetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/functions'
param endpointSubnetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/endpoints'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
