"""The workbook, drawn on this machine from captured telemetry.

`capture` reads envelopes, `tables` puts them where Application Insights would and runs KQL there,
`workbook` reads infra/workbook.json as it is, `page` runs its queries and draws the result. Nothing
here is deployed, and nothing here knows what the workbook shows: that is in the JSON alone.
"""
