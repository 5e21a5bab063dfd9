"""The workbook, drawn on this machine from captured telemetry.

`capture` reads envelopes, and the calls that a workspace has logged. `tables` puts them where
Application Insights and the workspace would and runs KQL there; `lets` runs the statements that
queries share once. `workbook` reads infra/workbook.json as it is, `drawing` runs its queries and
makes one HTML file with `page/`. `keysweep dashboard` is the way in. Nothing here is deployed, and
nothing here knows what the workbook shows: that is in the JSON alone.
"""
