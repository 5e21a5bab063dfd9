// The workbook in which people review drift. workbook.json is made by workbook.py.

@description('The Application Insights resource that Keysweep reports to; the workbook is found there.')
param appInsightsId string

@description('Where the workbook is: the region of the Application Insights resource.')
param location string

@description('Its name in the portal.')
param displayName string = 'Keysweep'

@description('Tags of the workbook.')
param tags object = {}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a GUID, and the same one at each deployment.
  name: guid(appInsightsId, 'keysweep-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: appInsightsId
    version: '1.0'
    // Opened by a share link or a pin, it has nothing else that says whose telemetry it shows.
    // loadTextContent would take less than half of it.
    serializedData: string(union(
      loadJsonContent('workbook.json'),
      { fallbackResourceIds: [appInsightsId] }
    ))
  }
}

output id string = workbook.id
