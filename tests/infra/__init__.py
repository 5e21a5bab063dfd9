"""What is deployed: templates, package, guardrail and the workflows."""
