-- Version 5: what else is worth saying of how a source was followed.
ALTER TABLE sources ADD COLUMN notes TEXT NOT NULL DEFAULT '{}'; -- JSON object: what bounds refused, what was seen twice
