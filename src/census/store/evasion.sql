-- Signs that an end hides what it says: a JSON array, the client's then the server's, of
-- [bytes sent with different values, 1 if data was marked urgent, 1 if fragments contradict each
-- other]; NULL: none, as nearly always.
ALTER TABLE evidence ADD COLUMN evasion TEXT;
