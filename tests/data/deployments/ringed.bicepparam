// Enforcement in two rings, and the guardrail, beside `enforce`: of the same name, at the same group
// and in the same region, in another subscription.
using '../../../infra/main.bicep'

param environmentName = 'enforce'
param location = 'westeurope'
param subscriptionId = '66666666-6666-6666-6666-666666666666'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'enforce'
param sweepKinds = 'OpenAI,AIServices'
param enforceScopes = 'contoso-dev, 55555555-5555-5555-5555-555555555555@2027-03-01'
param guardrail = 'deny'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
