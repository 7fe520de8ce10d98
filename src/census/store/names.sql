-- What addresses are called on the wire, per source: DHCP, mDNS, LLMNR, NetBIOS and DNS answers.
CREATE TABLE name_seen (
    source INTEGER NOT NULL REFERENCES sources,
    ip TEXT NOT NULL,
    name TEXT NOT NULL,         -- in lower case
    said_by TEXT NOT NULL CHECK (said_by IN ('dhcp', 'dns', 'llmnr', 'mdns', 'netbios')),
    PRIMARY KEY (source, ip, name, said_by)
) STRICT, WITHOUT ROWID;

-- The MAC addresses that addresses were leased to by DHCP.
CREATE TABLE lease_seen (
    source INTEGER NOT NULL REFERENCES sources,
    ip TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (source, ip, mac)
) STRICT, WITHOUT ROWID;
