-- When names and leases were heard: the first and the last hour, by their beginnings. Of a file of
-- before it is not known: some time within its source.
ALTER TABLE name_seen ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE name_seen ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease_seen ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease_seen ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
UPDATE name_seen SET
    first = coalesce((SELECT first - first % 3600000000000 FROM sources WHERE id = source), 0),
    last = coalesce((SELECT last - last % 3600000000000 FROM sources WHERE id = source), 0);
UPDATE lease_seen SET
    first = coalesce((SELECT first - first % 3600000000000 FROM sources WHERE id = source), 0),
    last = coalesce((SELECT last - last % 3600000000000 FROM sources WHERE id = source), 0);
