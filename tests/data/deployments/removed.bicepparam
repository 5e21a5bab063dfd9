// `enforce` with everything taken back that can be: it audits again, and the guardrail is off. What
// `enforce` has and this has not is what a template alone would leave behind.
using '../../../infra/main.bicep'

param environmentName = 'enforce'
param location = 'westeurope'
param subscriptionId = '22222222-2222-2222-2222-222222222222'
param azureTenantId = '11111111-1111-1111-1111-111111111111'
param sweepMode = 'audit'
param sweepKinds = 'OpenAI,AIServices'
// Not the moment at which this is compiled.
param deployedAt = '2027-01-01T00:00:00Z'
