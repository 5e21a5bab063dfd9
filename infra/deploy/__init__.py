"""What a deployment needs beside its templates: checks before, the tenant's part, the package.

Its modules, in the order in which a deployment needs them::

    __main__  hooks                            the commands, and what azd's hooks do
    plan  placement  templates                 what is to be deployed, and what templates take
    questions                                  what only the deployer can say
    checks                                     all that is judged before anything is deployed:
        settings_checks  parameter_checks          by the rules of product and template
        alert_interval                             by the schedule
        azure_checks  network_checks               by what Azure knows
        hierarchy  rights                          of groups, and of whoever deploys
    group_deployment  tenant_part              what is deployed at the management group
    consistency                                what Azure does not know yet
    group_contents  deployment_records         what is there already
    resource_graph                             what is anywhere in the tenant
    upload  upload_progress  triggers          the package, until Azure lists the function
    verification  sweep_reports  findings      whether sweeps report, and what it means
    removal                                    takes away what is at the group
    azure_cli  command_lines                   `az` and `azd`, run and printed
    function_app  sweep_times                  the app, and when it sweeps

Imports the standard library, `infra` and `shared.core` alone. Only `azure_cli` runs programs,
and only `upload` opens connections.
"""
