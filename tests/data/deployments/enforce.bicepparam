// Enforcement, its brake released for the first day, and the guardrail.
using '../../../infra/main.bicep'

param environmentName = 'enforce'
param location = 'westeurope'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'enforce'
param sweepKinds = 'OpenAI,AIServices'
param brakeReleaseUntil = '2027-03-31T08:00Z'
param guardrail = 'deny'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
