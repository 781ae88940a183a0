-- The index that reading a window wants: its rows lie together and in the order they are read.
-- CONCURRENTLY doesn't lock the table; it can't run inside a transaction block.
create index concurrently if not exists analyses_created_at_id on analyses (created_at, id);
