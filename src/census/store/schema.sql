-- The census file, version 1.
--
-- Facts only: what was offered, chosen, sent and refused, per source. No verdict is stored; any
-- policy may judge a census at any later time (`tlscensus report`).
--
-- Times are nanoseconds since 1970 (datetime(first / 1000000000, 'unixepoch') shows them).
-- Lists are JSON arrays, for json_each(). Code points are lower-case hex strings in wire order.
-- Tables that end in _seen hold the facts of one source each: to merge two census files, take the
-- larger counter where both have the same source, and both where the sources differ.

-- What was read: (sensor, kind, identity) makes two sources the same.
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'stream', 'live')),
    identity TEXT NOT NULL,     -- of a file a SHA-256 over its size and its ends, and which part was read; else random
    name TEXT NOT NULL,         -- the path, '-', or the interface
    has_identity INTEGER NOT NULL DEFAULT 1, -- 0: the name stands for it
    first INTEGER,              -- time of the first packet
    last INTEGER,
    packets INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    cut INTEGER NOT NULL,       -- packets cut by the snaplen
    dropped INTEGER NOT NULL,   -- packets that the capturing system says it lost
    flows INTEGER NOT NULL,
    midstream INTEGER NOT NULL, -- flows joined after their handshake: not recorded
    evicted INTEGER NOT NULL,   -- flows given up because a bound was reached
    fault TEXT,                 -- why it was not read to its end
    skipped TEXT NOT NULL,      -- JSON object: packets not decoded, by reason
    coverage TEXT NOT NULL,     -- JSON object: connections, and what was missing of them
    handshake_us TEXT NOT NULL, -- JSON array of [microseconds, handshakes]
    UNIQUE (sensor, kind, identity)
) STRICT;

-- Everything that a ClientHello says of its sender's abilities; shared by all who offer the same.
CREATE TABLE offers (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE, -- hash without GREASE and order of extensions
    ja4 TEXT,                   -- NULL here and below: a bound kept only the identity
    ja3 TEXT,
    ja3_raw TEXT,
    legacy_version TEXT,
    max_version TEXT,           -- the name of the highest version offered, NULL if none is known
    max_rank INTEGER,           -- it as a number to compare: DTLS as the TLS it is judged as
    sslv2_format INTEGER,
    truncated INTEGER,
    supported_versions TEXT,    -- NULL: no such extension
    cipher_suites TEXT,
    compression_methods TEXT,
    extensions TEXT,
    groups TEXT,                -- NULL: no such extension
    point_formats TEXT,
    key_shares TEXT,
    signature_algorithms TEXT,  -- NULL: no such extension
    alpn TEXT                   -- bytes that are no ASCII letters, digits or - . / _ as %XX
) STRICT;

CREATE TABLE hosts (
    id INTEGER PRIMARY KEY,
    ip TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE host_seen (
    source INTEGER NOT NULL REFERENCES sources,
    host INTEGER NOT NULL REFERENCES hosts,
    macs TEXT NOT NULL,
    connections INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (source, host)
) STRICT, WITHOUT ROWID;

-- One way in which a host speaks TLS: a transport and an offer.
CREATE TABLE client_stacks (
    id INTEGER PRIMARY KEY,
    host INTEGER NOT NULL REFERENCES hosts,
    transport TEXT NOT NULL CHECK (transport IN ('tcp', 'udp', 'quic')),
    offer INTEGER REFERENCES offers -- NULL: no ClientHello was seen
) STRICT;
CREATE UNIQUE INDEX client_stacks_once ON client_stacks (host, transport, coalesce(offer, 0));

CREATE TABLE stack_seen (
    source INTEGER NOT NULL REFERENCES sources,
    stack INTEGER NOT NULL REFERENCES client_stacks,
    connections INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    hours TEXT,                 -- hours since 1970 in which it was seen, or, where too many,
    days TEXT,                  -- days
    PRIMARY KEY (source, stack)
) STRICT, WITHOUT ROWID;

CREATE TABLE servers (
    id INTEGER PRIMARY KEY,
    ip TEXT NOT NULL,
    port INTEGER NOT NULL,
    target TEXT,                -- behind a proxy: what it was asked for
    application TEXT
) STRICT;
CREATE UNIQUE INDEX servers_once
    ON servers (ip, port, coalesce(target, ''), target IS NULL,
                coalesce(application, ''), application IS NULL);

CREATE TABLE server_seen (
    source INTEGER NOT NULL REFERENCES sources,
    server INTEGER NOT NULL REFERENCES servers,
    macs TEXT NOT NULL,
    connections INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    handshake_us TEXT NOT NULL, -- as in sources
    PRIMARY KEY (source, server)
) STRICT, WITHOUT ROWID;

-- A stack that talks to a server by a name.
CREATE TABLE edges (
    id INTEGER PRIMARY KEY,
    stack INTEGER NOT NULL REFERENCES client_stacks,
    server INTEGER NOT NULL REFERENCES servers,
    sni TEXT
) STRICT;
CREATE UNIQUE INDEX edges_once ON edges (stack, server, coalesce(sni, ''), sni IS NULL);
CREATE INDEX edges_server ON edges (server);

CREATE TABLE edge_seen (
    source INTEGER NOT NULL REFERENCES sources,
    edge INTEGER NOT NULL REFERENCES edges,
    connections INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    failed INTEGER NOT NULL,    -- refused, reset or not answered
    starts TEXT NOT NULL,       -- when the first connections began
    failures TEXT NOT NULL,     -- when the first that failed began
    PRIMARY KEY (source, edge)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    sha256 TEXT PRIMARY KEY,
    der BLOB NOT NULL,
    sha1 TEXT NOT NULL,
    subject TEXT NOT NULL,
    issuer TEXT NOT NULL,
    serial TEXT NOT NULL,
    not_before TEXT,
    not_after TEXT,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    san TEXT NOT NULL,
    ca INTEGER NOT NULL,
    self_issued INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Chains as sent, leaf first.
CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    certificates TEXT NOT NULL UNIQUE -- JSON array of certificates.sha256
) STRICT;

-- What a connection proves about its two ends.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    transport TEXT NOT NULL,
    offer INTEGER REFERENCES offers,
    version TEXT,               -- negotiated; NULL: no ServerHello was seen
    version_rank INTEGER,       -- as offers.max_rank
    cipher_suite TEXT,
    cipher_suite_name TEXT,
    "group" TEXT,
    sentinel TEXT,              -- the version that the downgrade sentinel proves
    retry_only INTEGER NOT NULL,
    resumed INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    alerts TEXT NOT NULL,       -- JSON array of [from, level or 'encrypted', code]
    chain INTEGER REFERENCES chains,
    client_chain INTEGER REFERENCES chains,
    certificate_requested INTEGER NOT NULL
) STRICT;

CREATE TABLE edge_evidence (
    source INTEGER NOT NULL REFERENCES sources,
    edge INTEGER NOT NULL REFERENCES edges,
    evidence INTEGER NOT NULL REFERENCES evidence,
    connections INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (source, edge, evidence)
) STRICT, WITHOUT ROWID;

-- What each client stack offers, over all sources.
CREATE VIEW client_offers AS
SELECT hosts.ip, client_stacks.transport, offers.ja4, offers.ja3, offers.max_version,
       offers.cipher_suites, offers.groups, offers.signature_algorithms, offers.alpn,
       sum(stack_seen.connections) AS connections,
       datetime(min(stack_seen.first) / 1000000000, 'unixepoch') AS first_seen,
       datetime(max(stack_seen.last) / 1000000000, 'unixepoch') AS last_seen
FROM client_stacks
JOIN hosts ON hosts.id = client_stacks.host
JOIN stack_seen ON stack_seen.stack = client_stacks.id
LEFT JOIN offers ON offers.id = client_stacks.offer
GROUP BY client_stacks.id;

-- Client stacks whose highest version is below TLS 1.2.
CREATE VIEW legacy_clients AS
SELECT hosts.ip, client_stacks.transport, offers.ja4, offers.max_version,
       sum(stack_seen.connections) AS connections,
       datetime(min(stack_seen.first) / 1000000000, 'unixepoch') AS first_seen,
       datetime(max(stack_seen.last) / 1000000000, 'unixepoch') AS last_seen
FROM client_stacks
JOIN hosts ON hosts.id = client_stacks.host
JOIN offers ON offers.id = client_stacks.offer
JOIN stack_seen ON stack_seen.stack = client_stacks.id
WHERE offers.max_rank < 771
GROUP BY client_stacks.id;

-- Servers that were only ever seen to choose a version below TLS 1.2.
CREATE VIEW legacy_servers AS
SELECT servers.ip, servers.port, servers.target, servers.application,
       group_concat(DISTINCT evidence.version) AS versions,
       sum(edge_evidence.connections) AS connections,
       datetime(min(edge_evidence.first) / 1000000000, 'unixepoch') AS first_seen,
       datetime(max(edge_evidence.last) / 1000000000, 'unixepoch') AS last_seen
FROM edge_evidence
JOIN edges ON edges.id = edge_evidence.edge
JOIN servers ON servers.id = edges.server
JOIN evidence ON evidence.id = edge_evidence.evidence
WHERE evidence.version_rank IS NOT NULL
GROUP BY servers.id
HAVING max(evidence.version_rank) < 771;

-- Connections with static RSA key exchange (TLS_RSA_*): without forward secrecy.
CREATE VIEW tls_rsa_connections AS
SELECT hosts.ip AS client, servers.ip AS server, servers.port, edges.sni,
       evidence.version, evidence.cipher_suite_name AS cipher_suite,
       sum(edge_evidence.connections) AS connections,
       datetime(min(edge_evidence.first) / 1000000000, 'unixepoch') AS first_seen,
       datetime(max(edge_evidence.last) / 1000000000, 'unixepoch') AS last_seen
FROM edge_evidence
JOIN evidence ON evidence.id = edge_evidence.evidence
JOIN edges ON edges.id = edge_evidence.edge
JOIN client_stacks ON client_stacks.id = edges.stack
JOIN hosts ON hosts.id = client_stacks.host
JOIN servers ON servers.id = edges.server
WHERE evidence.cipher_suite_name GLOB 'TLS_RSA_*'
GROUP BY hosts.id, servers.id, edges.sni, evidence.version, evidence.cipher_suite_name;

-- Chains in which the leaf, or the last certificate, names itself as its issuer.
CREATE VIEW self_issued_chains AS
SELECT servers.ip, servers.port, edges.sni,
       leaf.subject AS leaf, json_array_length(chains.certificates) AS length,
       top.subject AS top, leaf.self_issued AS leaf_is_self_issued,
       sum(edge_evidence.connections) AS connections,
       datetime(min(edge_evidence.first) / 1000000000, 'unixepoch') AS first_seen,
       datetime(max(edge_evidence.last) / 1000000000, 'unixepoch') AS last_seen
FROM edge_evidence
JOIN evidence ON evidence.id = edge_evidence.evidence
JOIN chains ON chains.id = evidence.chain
JOIN certificates AS leaf ON leaf.sha256 = json_extract(chains.certificates, '$[0]')
JOIN certificates AS top ON top.sha256 = json_extract(chains.certificates, '$[#-1]')
JOIN edges ON edges.id = edge_evidence.edge
JOIN servers ON servers.id = edges.server
WHERE top.self_issued
GROUP BY servers.id, edges.sni, chains.id;
