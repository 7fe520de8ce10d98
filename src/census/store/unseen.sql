-- 1 where the server refused and no ServerHello was seen, although there was one, or may have been: the
-- alert does not stand in its place. Of a file of before it is not known, and taken for 0.
ALTER TABLE evidence ADD COLUMN answer_unseen INTEGER NOT NULL DEFAULT 0;
-- 1 where the end of the server's chain was not captured. Of a file of before as above.
ALTER TABLE evidence ADD COLUMN chain_cut INTEGER NOT NULL DEFAULT 0;
