-- 1 where the server refused and no ServerHello was seen, although there was one, or may have been: the
-- alert does not stand in its place. Of a file of before it is not known, and taken for 0.
ALTER TABLE evidence ADD COLUMN answer_unseen INTEGER NOT NULL DEFAULT 0;
