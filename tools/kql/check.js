"use strict";
// Parses and binds KQL with Microsoft's own language service, against the tables of a classic
// Application Insights resource and that of diagnostics, which may lie in a workspace that the query
// names. Reads {name: kql} as JSON from standard input; writes
// {name: {errors: [...], columns: {name: type}, keys: [[column, key], ...]}}.
const fs = require("fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { GlobalState, KustoCode, Symbols } = global.Kusto.Language;

const COMMON =
  "timestamp:datetime, name:string, itemType:string, itemId:string, customDimensions:dynamic, " +
  "operation_Name:string, operation_Id:string, operation_ParentId:string, " +
  "operation_SyntheticSource:string, session_Id:string, user_Id:string, " +
  "user_AuthenticatedId:string, user_AccountId:string, application_Version:string, " +
  "client_Type:string, client_Model:string, client_OS:string, client_IP:string, " +
  "client_City:string, client_StateOrProvince:string, client_CountryOrRegion:string, " +
  "client_Browser:string, cloud_RoleName:string, cloud_RoleInstance:string, appId:string, " +
  "appName:string, iKey:string, sdkVersion:string, _ResourceId:string";
const TABLES = {
  customEvents: `${COMMON}, customMeasurements:dynamic, itemCount:int`,
  customMetrics: `${COMMON}, value:real, valueCount:int, valueSum:real, valueMin:real, valueMax:real, valueStdDev:real`,
  // What the request log of an account is (azure-monitor-docs, reference/tables/azurediagnostics).
  AzureDiagnostics: "TimeGenerated:datetime, ResourceProvider:string, Category:string, " +
    "OperationName:string, ResultSignature:string, CallerIPAddress:string, " +
    "CorrelationId:string, properties_s:string, _ResourceId:string",
};
const tables = Object.entries(TABLES).map(([name, columns]) =>
  Symbols.TableSymbol.From(`(${columns})`).WithName(name));
// DatabaseSymbol.ctor takes the tables; its other constructors make an empty database in silence.
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("db", tables));

function walk(node, visit) {
  if (!node) return;
  visit(node);
  for (let i = 0; i < node.ChildCount; i += 1) walk(node.GetChild(i), visit);
}

// Kusto's word for what Log Analytics calls a workspace is a database. There is one here.
const WORKSPACE = /\bworkspace\('[^']*'\)/g;

function check(written) {
  const kql = written.replace(WORKSPACE, "database('db')");
  const code = KustoCode.ParseAndAnalyze(kql, globals);
  const found = code.GetDiagnostics();
  const errors = [];
  for (let i = 0; i < found.Count; i += 1) {
    const each = found.getItem(i);
    const line = kql.slice(0, each.Start).split("\n").length;
    if (each.Severity === "Error") errors.push(`${each.Code} line ${line}: ${each.Message} [${kql.slice(each.Start, each.Start + each.Length)}]`);
  }
  const columns = {};
  const type = code.ResultType;
  if (type && type.Columns) {
    for (let i = 0; i < type.Columns.Count; i += 1) columns[type.Columns.getItem(i).Name] = type.Columns.getItem(i).Type.Name;
  }
  const keys = [];
  walk(code.Syntax, (node) => {
    const text = String(node.ToString ? node.ToString() : "").trim();
    const match = /^(customDimensions|customMeasurements)\s*(?:\.\s*(\w+)|\[\s*['"](\w+)['"]\s*\])$/.exec(text);
    if (match) keys.push([match[1], match[2] || match[3]]);
  });
  return { errors, columns, keys };
}

const queries = JSON.parse(fs.readFileSync(0, "utf8"));
const answers = Object.fromEntries(Object.entries(queries).map(([name, kql]) => [name, check(kql)]));
process.stdout.write(JSON.stringify(answers));
