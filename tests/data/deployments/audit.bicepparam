// What nobody asks for stays as it is: the smallest deployment, in audit mode.
using '../../../infra/main.bicep'

param environmentName = 'audit'
param location = 'westeurope'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'audit'
param sweepKinds = 'OpenAI,AIServices'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
