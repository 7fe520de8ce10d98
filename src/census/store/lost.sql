-- Version 2: who lost the packets that an interface dropped.
ALTER TABLE sources ADD COLUMN lost TEXT NOT NULL DEFAULT '{}'; -- JSON object: packets, by who lost them
