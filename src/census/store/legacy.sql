-- Version 9: a server with a protocol, and what did not show any at its port, are one as in reports.
DROP VIEW IF EXISTS legacy_servers;

-- Servers that were only ever seen to choose a version below TLS 1.2.
CREATE VIEW legacy_servers AS
WITH known AS (
    SELECT ip, port, target,
           CASE count(application) WHEN 1 THEN max(application) END AS application
    FROM servers
    GROUP BY ip, port, target
)
SELECT servers.ip, servers.port, servers.target,
       coalesce(servers.application, known.application) AS application,
       group_concat(DISTINCT evidence.version) AS versions,
       sum(edge_evidence.connections) AS connections,
       strftime('%Y-%m-%dT%H:%M:%SZ', min(edge_evidence.first) / 1000000000, 'unixepoch')
           AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(edge_evidence.last) / 1000000000, 'unixepoch')
           AS last_seen
FROM edge_evidence
JOIN edges ON edges.id = edge_evidence.edge
JOIN servers ON servers.id = edges.server
JOIN known ON known.ip = servers.ip AND known.port = servers.port
          AND known.target IS servers.target
JOIN evidence ON evidence.id = edge_evidence.evidence
WHERE evidence.version_rank IS NOT NULL
GROUP BY servers.ip, servers.port, servers.target,
         coalesce(servers.application, known.application)
HAVING max(evidence.version_rank) < 771;
