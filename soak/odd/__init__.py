"""Odd answers: small tenants are swept while Azure answers oddly, and the server's state judges.

`example` says what can be drawn: a tenant, settings, and bends, each a shape of answer at a kind of
request. `bends` says what a shape makes of an answer, and which bends no reader could notice.
`world` makes an example happen on a local Azure, and records it in the terms of the soak; `laws`
judges, never from our own report alone. `examples` are what found the planted bugs.

Beside the soak, which breaks connections and refuses with Azure's own words while teams and several
sweeps change the tenant: here one sweep meets a tenant that stands still, and answers are not what
was asked for. `python -m soak --odd` goes on for as long as you like.
"""
