-- Version 7: times in views as everywhere else, in UTC: 2026-03-01T08:00:00Z.
DROP VIEW IF EXISTS client_offers;
DROP VIEW IF EXISTS legacy_clients;
DROP VIEW IF EXISTS legacy_servers;
DROP VIEW IF EXISTS tls_rsa_connections;
DROP VIEW IF EXISTS self_issued_chains;

-- What each client stack offers, over all sources.
CREATE VIEW client_offers AS
SELECT hosts.ip, client_stacks.transport, offers.ja4, offers.ja3, offers.max_version,
       offers.cipher_suites, offers.groups, offers.signature_algorithms, offers.alpn,
       sum(stack_seen.connections) AS connections,
       strftime('%Y-%m-%dT%H:%M:%SZ', min(stack_seen.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(stack_seen.last) / 1000000000, 'unixepoch')
           AS last_seen
FROM client_stacks
JOIN hosts ON hosts.id = client_stacks.host
JOIN stack_seen ON stack_seen.stack = client_stacks.id
LEFT JOIN offers ON offers.id = client_stacks.offer
GROUP BY client_stacks.id;

-- Client stacks whose highest version is below TLS 1.2.
CREATE VIEW legacy_clients AS
SELECT hosts.ip, client_stacks.transport, offers.ja4, offers.max_version,
       sum(stack_seen.connections) AS connections,
       strftime('%Y-%m-%dT%H:%M:%SZ', min(stack_seen.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(stack_seen.last) / 1000000000, 'unixepoch')
           AS last_seen
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
       strftime('%Y-%m-%dT%H:%M:%SZ', min(edge_evidence.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(edge_evidence.last) / 1000000000, 'unixepoch')
           AS last_seen
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
       strftime('%Y-%m-%dT%H:%M:%SZ', min(edge_evidence.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(edge_evidence.last) / 1000000000, 'unixepoch')
           AS last_seen
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
       strftime('%Y-%m-%dT%H:%M:%SZ', min(edge_evidence.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(edge_evidence.last) / 1000000000, 'unixepoch')
           AS last_seen
FROM edge_evidence
JOIN evidence ON evidence.id = edge_evidence.evidence
JOIN chains ON chains.id = evidence.chain
JOIN certificates AS leaf ON leaf.sha256 = json_extract(chains.certificates, '$[0]')
JOIN certificates AS top ON top.sha256 = json_extract(chains.certificates, '$[#-1]')
JOIN edges ON edges.id = edge_evidence.edge
JOIN servers ON servers.id = edges.server
WHERE top.self_issued
GROUP BY servers.id, edges.sni, chains.id;
