// For `az deployment mg create`. azd does not read this: it uses app.parameters.json, and asks.
using 'main.bicep'

param environmentName = 'prod'
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
// The subscription that holds the Function, and the tenant that it belongs to.
param subscriptionId = readEnvironmentVariable('AZURE_SUBSCRIPTION_ID')
param azureTenantId = readEnvironmentVariable('AZURE_TENANT_ID')
// Audit first.
param sweepMode = 'audit'
param sweepKinds = 'OpenAI,AIServices'
