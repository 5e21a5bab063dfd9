# Deploys Keysweep by its compiled templates. docs/deploy/terraform.md says how, and what Terraform
# doesn't see.
terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.40"
    }
  }
}

variable "management_group" {
  description = "The id of the management group to sweep."
  type        = string
}

variable "subscription_id" {
  description = "The subscription, below that group, that holds the Function."
  type        = string
}

variable "location" {
  description = "A region with Flex Consumption."
  type        = string
  default     = "westeurope"
}

variable "sweep_mode" {
  description = "audit or enforce. Audit first."
  type        = string
  default     = "audit"
}

variable "enforce_scopes" {
  description = "The rings, such as mg-dev, mg-test@2027-01-15. Empty: everywhere."
  type        = string
  default     = ""
}

provider "azurerm" {
  subscription_id = var.subscription_id
  features {}
}

data "azurerm_client_config" "current" {}

data "azurerm_management_group" "swept" {
  name = var.management_group
}

resource "azurerm_management_group_template_deployment" "keysweep" {
  # A deployment keeps its region: the same name in another one would be refused.
  name                = "keysweep-prod-${var.location}"
  management_group_id = data.azurerm_management_group.swept.id
  location            = var.location
  template_content    = file("${path.module}/main.json")
  parameters_content = jsonencode({
    environmentName = { value = "prod" }
    location        = { value = var.location }
    subscriptionId  = { value = var.subscription_id }
    azureTenantId   = { value = data.azurerm_client_config.current.tenant_id }
    sweepMode       = { value = var.sweep_mode }
    sweepKinds      = { value = "OpenAI,AIServices" }
    enforceScopes   = { value = var.enforce_scopes }
    tags            = { value = { CostCenter = "1234" } }
  })
}

locals {
  # Azure Resource Manager changes the letter case of outputs.
  outputs = {
    for name, output in jsondecode(azurerm_management_group_template_deployment.keysweep.output_content) :
    upper(name) => output.value
  }
}

output "function_app" {
  description = "Where the package goes."
  value       = local.outputs.FUNCTION_APP_NAME
}

output "resource_group" {
  description = "What holds the Function."
  value       = local.outputs.RESOURCE_GROUP
}
