"""Azure Policy, as far as the definitions of landing zones need it: judges what would be deployed.

How policy reads (learn.microsoft.com, "Azure Policy definition structure"):

- A condition compares a field, a value or a count. Letter case never counts; 'true' equals true.
- A field is a property of every resource (type, name, tags, …) or an alias: a type and a path.
- `[*]` names every element of an array. Outside a count all of them have to meet the condition:
  of an empty array all do, of a missing one none does.
- Mode Indexed sees only what has a location and tags.
- Deny, modify and append judge the request; audits judge what is stored, with Azure's defaults.

What rests on a value that only the deployment knows is None here, "can't be told", and goes up
through all, any and not as it should.
"""
