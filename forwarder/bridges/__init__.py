"""Other protocols that apps speak: each bridge is a client of the hub, with a name and a grant.

A bridge owns no toy and no rule: it turns what it hears into commands of the Python client
(`forwarder.client`) over a channel within the process. So stops, mutes, ceilings and leases hold
for it as for any app, and it is listed, muted and disconnected like one.
"""
