// A network of its own, all of it made: subnets, security groups, private endpoints and DNS zones.
using '../../../infra/main.bicep'

param environmentName = 'private'
param location = 'westeurope'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'audit'
param sweepKinds = 'OpenAI,AIServices'
// Policies that ask for a tag refuse what has none.
param tags = { CostCenter: '1234' }
param network = 'private'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
